"""What a pooler in transaction mode must not notice: prepared statements, and who comes next.

The contract of the stores runs through the pooler too (tests/stores), and so do the attacks.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg.connection
import pytest
from sqlalchemy import select

from examples.store.models import Artist
from router.statement import Statement
from router.words import Mode, Tier

if TYPE_CHECKING:
    from router.words import Tenant
    from tests.worlds import World

TIERS = pytest.mark.parametrize("tier", list(Tier))
ARTISTS = Statement(select(Artist.artist_id, Artist.name))


async def use_everything(made: World, tenant: Tenant, turn: int) -> int:
    """Read in every way there is, one after the other; answer which server connection it was."""
    async with made.lease(tenant) as lease:
        record = await lease.fetchrow("SELECT pg_backend_pid() AS pid")
        session = await lease.session()
        session.add(Artist(name="Nina"))
        await session.flush()
        await lease.fetch(ARTISTS)
        await lease.fetch("SELECT name FROM artist WHERE artist_id = $1", 1)
        # Last in their transactions: what a statement leaves is only cleared by the next one.
        if turn % 2:
            rows = [
                row["name"] async for row in lease.stream("SELECT name FROM artist LIMIT $1", 5)
            ]
        else:
            streamed = await session.stream_scalars(select(Artist.name).limit(5))
            rows = [name async for name in streamed]
        assert rows
    assert record is not None
    return int(record["pid"])


async def test_the_world_s_leases_do_pass_the_pooler(made: World) -> None:
    tenant = await made.tenant(Tier.ROWS)
    servers = await asyncio.gather(*(use_everything(made, tenant, turn) for turn in range(40)))
    lease = await made.dispatch.open(tenant, Mode.READ)
    clients = lease._source.pool.open_count  # noqa: SLF001 - eight clients over three servers
    await lease.commit()
    assert clients > 3 >= len(set(servers))


@TIERS
async def test_no_statement_stays_on_a_server(made: World, tier: Tier) -> None:
    tenant = await made.tenant(tier)
    for _ in range(3):
        await asyncio.gather(*(use_everything(made, tenant, turn) for turn in range(12)))
    lease = await made.dispatch.open(tenant, Mode.READ)
    try:
        async with made.admin(tenant.placement) as connection:
            await connection.execute("GRANT EXECUTE ON FUNCTION pg_prepared_statement() TO PUBLIC")
        assert await lease.fetch("SELECT name, statement FROM pg_prepared_statements") == []
    finally:
        await lease.rollback()
        async with made.admin(tenant.placement) as connection:
            await connection.execute(
                "REVOKE EXECUTE ON FUNCTION pg_prepared_statement() FROM PUBLIC"
            )


@TIERS
async def test_two_gateways_behind_one_pooler_do_not_collide(
    made: World, tier: Tier, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await made.tenant(tier)
    other = made.twin()
    for name in ("shared-1", "dedicated-1"):
        pooler = made.fleet.cluster(name).pooler
        assert pooler is not None
        other.through(name, pooler, keeps_statements=False)
    try:
        for gateway in (made, other):
            # Each process numbers its statements anew.
            monkeypatch.setattr(asyncpg.connection, "_uid", 0)
            await asyncio.gather(*(use_everything(gateway, tenant, turn) for turn in range(20)))
    finally:
        await other.sources.close()


async def test_tenants_that_take_turns_on_few_servers_see_their_own_rows(made: World) -> None:
    tenants = [await made.tenant(tier) for tier in (Tier.ROWS, Tier.ROWS, Tier.SCHEMA) * 2]

    async def write_and_look(tenant: Tenant, number: int) -> None:
        async with made.lease(tenant) as lease:
            await lease.execute("INSERT INTO artist (name) VALUES ($1)", f"{tenant.slug} {number}")
        async with made.lease(tenant) as lease:
            session = await lease.session()
            found = list(await session.scalars(select(Artist.name)))
        assert f"{tenant.slug} {number}" in found
        assert all(str(name).startswith(tenant.slug) for name in found)

    await asyncio.gather(
        *(write_and_look(tenant, number) for tenant in tenants for number in range(20))
    )
