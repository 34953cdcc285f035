"""What exists at another tenant can't be told from what doesn't: by errors, counts or ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from router.words import Isolation, Mode, Tier
from tests.attacks.scene import KINDS

if TYPE_CHECKING:
    from router.words import Tenant
    from tests.attacks.scene import Scene

KIND = pytest.mark.parametrize(("tier", "isolation"), KINDS)
#: Each takes a value that the victim has ($1 is its name, $2 the id of its row) or nobody has.
PROBES = {
    "a unique name": "INSERT INTO genre (genre_id, name) VALUES ($2::int + 70000, $1::text)",
    "a key": "INSERT INTO artist (artist_id, name) VALUES ($2::int, $1::text)",
    "a conflict by rule": (
        "INSERT INTO genre (genre_id, name) VALUES ($2::int + 70000, $1::text)"
        " ON CONFLICT DO NOTHING RETURNING name IS NOT NULL"
    ),
    "a conflict by columns": (
        "INSERT INTO genre (genre_id, name) VALUES ($2::int + 70000, $1::text)"
        " ON CONFLICT (tenant_id, name) DO UPDATE SET name = 'x' RETURNING genre.name = 'x'"
    ),
    "a foreign key": (
        "INSERT INTO album (album_id, title, artist_id) VALUES (70000, $1::text, $2::int)"
    ),
    "an update": "UPDATE artist SET name = $1::text WHERE artist_id = $2::int RETURNING 1",
    "a delete": "DELETE FROM artist WHERE artist_id = $2::int AND name <> $1::text RETURNING 1",
    "a count": "SELECT count(*) FROM artist WHERE artist_id = $2::int OR name = $1::text",
    "a lock": "SELECT 1 FROM artist WHERE artist_id = $2::int AND name <> $1::text FOR UPDATE",
}


@pytest.mark.parametrize("probe", list(PROBES))
@KIND
async def test_a_known_value_and_a_random_one_get_equal_answers(
    scene: Scene, tier: Tier, isolation: Isolation, probe: str
) -> None:
    attacker, victim = scene.tenants[(tier, isolation)]
    async with scene.made.lease(victim.tenant) as lease:
        await lease.execute(
            "INSERT INTO artist (artist_id, name) VALUES (5000, $1) ON CONFLICT DO NOTHING",
            victim.canary,
        )
    answers = [
        await answer(scene, attacker.tenant, PROBES[probe], name, number)
        for name, number in ((victim.canary, 5000), ("c4n4ry0000000000000000", 6000))
    ]
    assert answers[0] == answers[1]
    async with scene.made.lease(victim.tenant) as lease:
        await lease.execute("DELETE FROM artist WHERE artist_id = 5000")


async def answer(scene: Scene, tenant: Tenant, statement: str, name: str, number: int) -> object:
    lease = await scene.made.dispatch.open(tenant, Mode.WRITE)
    try:
        return [tuple(row.values()) for row in await lease.fetch(statement, name, number)]
    except asyncpg.PostgresError as error:
        told = f"{error.sqlstate} {error} {error.detail}"
        return told.replace(name, "NAME").replace(str(number), "ID")
    finally:
        await lease.rollback()


@KIND
async def test_a_neighbour_s_work_leaves_no_gap_in_ones_own_ids(
    scene: Scene, tier: Tier, isolation: Isolation
) -> None:
    attacker, victim = scene.tenants[(tier, isolation)]
    numbers: list[int] = []
    for _ in range(3):
        for prey in (attacker, victim):
            async with scene.made.lease(prey.tenant) as lease:
                row = await lease.fetchrow(
                    "INSERT INTO employee (first_name, last_name) VALUES ('a', 'b')"
                    " RETURNING employee_id"
                )
                assert row is not None
                if prey is attacker:
                    numbers.append(row["employee_id"])
    assert numbers == list(range(numbers[0], numbers[0] + 3))
