"""Thousands of hostile sequences from a grammar that learns; and that it finds planted holes."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from router.words import Isolation, Mode, Tier
from tests.attacks.grammar import Grammar
from tests.attacks.scene import KINDS, REFUSALS, Leak, convenient, fast, overheard, plant, raw_of
from tests.scale import scaled, seed
from tests.worlds import world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from router.lease import Lease
    from tests.attacks.scene import Ear, Prey, Scene
    from tests.worlds import Clusters

SEQUENCES = scaled(2_000)
CHECK_EVERY = 10
KIND = pytest.mark.parametrize(("tier", "isolation"), KINDS)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def fuzzed(clusters: Clusters) -> AsyncGenerator[Scene]:
    """A scene of its own: the attacker's rows don't stay what they were."""
    async with world(clusters) as made:
        yield await plant(made)


class Fuzz:
    """One attacker that learns as it goes, among the other tenants of the scene."""

    def __init__(self, scene: Scene, attacker: Prey, chance: int) -> None:
        self.scene = scene
        self.attacker = attacker
        self.random = random.Random(chance)
        self.is_strict = attacker.tenant.isolation is Isolation.STRICT
        self.victims = [pair[1] for pair in scene.tenants.values()]
        self.accepted = 0

    async def run(self, sequences: int) -> None:
        """Attack again and again; raises a Leak when something is heard that mustn't be."""
        grammars = {
            victim.canary: Grammar(self.scene.words(self.attacker, victim), self.random)
            for victim in self.victims
        }
        for number in range(sequences):
            victim = self.random.choice(self.victims)
            grammar = grammars[victim.canary]
            ear = self.scene.ear(self.attacker)
            async with overheard(self.scene, self.attacker, ear) as lease:
                for _ in range(self.random.randint(1, 5)):
                    self.accepted += await self.send(lease, grammar, ear)
            grammar.learn(ear.heard)
            # Who comes next on the connection, as the pool hands out the one that was used last.
            await self.glance(self.scene.tenants[self.kind][1])
            if number % CHECK_EVERY == 0:
                await self.scene.check(victim)

    @property
    def kind(self) -> tuple[Tier, Isolation]:
        return self.attacker.place.tier, self.attacker.tenant.isolation

    async def send(self, lease: Lease, grammar: Grammar, ear: Ear) -> bool:
        """Send one statement by a random lane; a strict tenant has the bare connection too."""
        statement = grammar.statement(whole=self.is_strict)
        if raw_of(lease).is_closed():
            return False
        way = self.random.random()
        if self.is_strict and way < 0.5:
            return await whole(lease, statement + "; " + grammar.statement(whole=True), ear)
        # As a product does that expects a statement to fail: what was done before it stays.
        await whole(lease, "SAVEPOINT attempt", ear)
        accepted = await (fast if way < 0.75 else convenient)(lease, statement, ear)
        if not accepted:
            await whole(lease, "ROLLBACK TO SAVEPOINT attempt", ear)
        return accepted

    async def glance(self, neighbour: Prey) -> None:
        async with self.scene.made.lease(neighbour.tenant, Mode.READ) as lease:
            rows = await lease.fetch("SELECT name FROM artist ORDER BY artist_id")
        assert [row["name"] for row in rows] == neighbour.names


async def whole(lease: Lease, script: str, ear: Ear) -> bool:
    """Send a script over the simple protocol, in which one text may hold many statements."""
    try:
        ear.hear(await raw_of(lease).execute(script, timeout=10))
    except REFUSALS as error:
        ear.hear_error(error)
        return False
    return True


@KIND
async def test_no_sequence_of_statements_hears_or_changes_anything_of_another(
    fuzzed: Scene, tier: Tier, isolation: Isolation
) -> None:
    chance = seed()
    print(f"STEPWELL_TEST_SEED={chance}")  # noqa: T201 - pytest shows it where the test fails
    attacker = fuzzed.tenants[(tier, isolation)][0]
    before = await fuzzed.digests(attacker)
    fuzz = Fuzz(fuzzed, attacker, chance)
    await fuzz.run(SEQUENCES // len(KINDS))
    assert await fuzzed.digests(attacker) == before
    # Most of it is nonsense; if nothing of it were SQL, this would be a test of nothing.
    assert fuzz.accepted > SEQUENCES // len(KINDS) // 5


HOLES = {
    "a gate that believes a setting": (
        "CREATE OR REPLACE FUNCTION gate.tenant() RETURNS uuid LANGUAGE sql STABLE AS"
        " $$SELECT nullif(current_setting('app.tenant', true), '')::uuid$$"
    ),
    "a stamp without a proof": (
        "CREATE OR REPLACE FUNCTION gate.tenant() RETURNS uuid LANGUAGE sql STABLE AS"
        " $$SELECT nullif(left(current_setting('gate.stamp', true), 36), '')::uuid$$"
    ),
    "a table without its policy": "ALTER TABLE shared.artist DISABLE ROW LEVEL SECURITY",
    "a view of the tables' owner": (
        "ALTER TABLE shared.artist RENAME TO artist_kept;"
        "CREATE VIEW shared.artist AS SELECT * FROM shared.artist_kept;"
        "GRANT SELECT ON shared.artist TO stepwell_rows"
    ),
    "keys that everybody reads": "GRANT SELECT ON gate.key TO PUBLIC",
}


@pytest.mark.parametrize("hole", list(HOLES))
async def test_the_fuzz_finds_a_planted_hole(clusters: Clusters, hole: str) -> None:
    async with world(clusters) as made:
        scene = await plant(made, kinds=[(Tier.ROWS, Isolation.SHARED)])
        attacker = scene.tenants[(Tier.ROWS, Isolation.SHARED)][0]
        async with made.admin() as connection:
            await connection.execute(HOLES[hole])
        with pytest.raises((Leak, AssertionError)):
            # It ends at the first leak; one that is rare takes longer.
            await Fuzz(scene, attacker, seed()).run(2 * SEQUENCES)
