"""Hostile SQL: one statement against everybody, whole scripts against strict tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from sqlalchemy import select

from examples.store.models import Artist
from router import sql
from router.errors import DatabaseUnreachable
from router.names import quote
from router.words import Isolation, Mode, Tier
from tests.attacks.scene import (
    KINDS,
    REFUSALS,
    STRICT,
    convenient,
    fast,
    filled,
    overheard,
    plant,
    raw_of,
)
from tests.worlds import world

if TYPE_CHECKING:
    from tests.attacks.scene import Ear, Prey, Scene
    from tests.worlds import Clusters

ONE = sql.load("tests.attacks", "one_statement.sql")
POISON = sql.load("tests.attacks", "poison.sql")
MANY = sql.load("tests.attacks", "many_statements.sql")
#: What nobody may do at all, even where it would find nothing.
NEVER = {
    name
    for name in ONE
    if name.startswith(("replay", "become_the_owner", "become_the_gate", "become_the_admin", "lo_"))
} | {
    "authorize_as_the_administrator",
    "two_statements",
    "read_the_keys",
    "read_the_homes",
    "read_the_activity",
    "read_the_locks",
    "read_the_prepared_statements",
    "read_a_file",
    "hold_the_victims_lock",
    "try_the_victims_lock",
    "end_other_sessions",
    "make_a_large_object",
    "insert_for_the_victim",
    "give_a_row_to_the_victim",
    "adopt_a_schema",
}
KIND = pytest.mark.parametrize(("tier", "isolation"), KINDS)
STRICT_KIND = pytest.mark.parametrize(("tier", "isolation"), STRICT)


def victims(scene: Scene, tier: Tier, isolation: Isolation) -> list[Prey]:
    """The attacker's neighbour of the same kind, and one of the next kind."""
    kinds = list(scene.tenants)
    following = kinds[(kinds.index((tier, isolation)) + 1) % len(kinds)]
    return [scene.tenants[(tier, isolation)][1], scene.tenants[following][1]]


@KIND
async def test_one_statement_finds_and_changes_nothing_of_another(
    scene: Scene, tier: Tier, isolation: Isolation
) -> None:
    attacker = scene.tenants[(tier, isolation)][0]
    before = await scene.digests(attacker)
    accepted: set[str] = set()
    for victim in victims(scene, tier, isolation):
        for name, template in ONE.items():
            for lane in (fast, convenient):
                statement = filled(template, scene.words(attacker, victim))
                ear = scene.ear(attacker)
                async with overheard(scene, attacker, ear) as lease:
                    if await lane(lease, statement, ear):
                        accepted.add(name)
        await scene.check(victim)
    assert await scene.digests(attacker) == before
    # Had everything been refused, the attacks would be misspelled.
    assert {"read_the_functions", "read_the_settings", "forge_a_block_of_ids"} <= accepted
    assert not accepted & NEVER


@KIND
async def test_what_one_statement_leaves_behind_reaches_nobody(
    scene: Scene, tier: Tier, isolation: Isolation
) -> None:
    attacker, neighbour = scene.tenants[(tier, isolation)]
    words = scene.words(attacker, neighbour)
    for template in POISON.values():
        for lane in (fast, convenient):
            ear = scene.ear(attacker)
            async with overheard(scene, attacker, ear) as lease:
                await lane(lease, filled(template, words), ear)
            await scene.check(neighbour)
            await scene.check_settings(neighbour)


@STRICT_KIND
async def test_whole_scripts_of_a_strict_tenant_find_and_change_nothing(
    scene: Scene, tier: Tier, isolation: Isolation
) -> None:
    attacker = scene.tenants[(tier, isolation)][0]
    before = await scene.digests(attacker)
    for victim in victims(scene, tier, isolation):
        for template in MANY.values():
            script = filled(template, scene.words(attacker, victim))
            ear = scene.ear(attacker)
            async with overheard(scene, attacker, ear) as lease:
                await send(lease_raw := raw_of(lease), script, ear)
                await listen_again(lease_raw, scene, victim, ear)
            await scene.check(victim)
    assert await scene.digests(attacker) == before


async def send(raw: asyncpg.Connection[asyncpg.Record], script: str, ear: Ear) -> None:
    """Send a script as it is, statement by statement and as a whole."""
    for statement in (script, *script.split("; ")):
        try:
            ear.hear(await raw.execute(statement, timeout=10))
            ear.hear(await raw.fetch(statement, timeout=10))
        except REFUSALS as error:
            ear.hear_error(error)
            await raw.execute("ROLLBACK; BEGIN")


async def listen_again(
    raw: asyncpg.Connection[asyncpg.Record], scene: Scene, victim: Prey, ear: Ear
) -> None:
    """Look for the victim's rows once more, after whatever the script left on the connection."""
    await raw.execute("ROLLBACK")
    schema = filled("$there", scene.words(victim, victim))
    for statement in (f"SELECT * FROM {schema}.artist", "SELECT * FROM artist"):  # noqa: S608 - quoted
        try:
            ear.hear(await raw.fetch(statement))
        except REFUSALS as error:
            ear.hear_error(error)


@KIND
async def test_a_value_is_never_a_statement(scene: Scene, tier: Tier, isolation: Isolation) -> None:
    attacker, victim = scene.tenants[(tier, isolation)]
    before = await scene.digests(attacker)
    words = scene.words(attacker, victim)
    for template in [*ONE.values(), *MANY.values()]:
        value = "'; " + filled(template, words)[:100] + "; --"
        ear = scene.ear(attacker)
        async with scene.made.lease(attacker.tenant, Mode.WRITE) as lease:
            rows = await lease.fetch("SELECT name FROM artist WHERE name = $1", value)
            assert rows == []
            session = await lease.session()
            session.add(artist := Artist(name=value))
            await session.flush()
            found = (await session.scalars(select(Artist.name).where(Artist.name == value))).all()
            assert found == [value]
            ear.hear(found)
            await session.delete(artist)
    assert await scene.digests(attacker) == before


@STRICT_KIND
async def test_a_strict_tenant_that_spoils_its_own_login_spoils_nobody_else_s(
    clusters: Clusters, tier: Tier, isolation: Isolation
) -> None:
    async with world(clusters) as made:
        scene = await plant(made, kinds=[(tier, isolation)])
        attacker, neighbour = scene.tenants[(tier, isolation)]
        async with made.lease(attacker.tenant) as lease:
            await lease.execute("ALTER ROLE CURRENT_USER PASSWORD 'pwned'")
            await lease.execute("ALTER ROLE CURRENT_USER SET statement_timeout = '1ms'")
        await made.sources.close()
        await scene.check(neighbour)
        with pytest.raises(DatabaseUnreachable, match="password authentication failed"):
            await scene.check(attacker)
        # To provision it again renews the password, and the timeouts are the router's own.
        await made.stores[tier].provision(attacker.tenant.id, attacker.place)
        await scene.check(attacker)
        # The cluster serves other tests, whose doctor would find the login.
        async with made.fleet.admin(attacker.place.cluster, attacker.place.database) as connection:
            await connection.execute(f"ALTER ROLE {quote(attacker.place.login)} RESET ALL")
