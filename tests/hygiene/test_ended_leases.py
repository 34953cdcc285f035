"""A lease that has ended speaks no more: its connection may serve somebody else by now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
from sqlalchemy import literal, select, text
from sqlalchemy.exc import InvalidRequestError

from examples.store.models import Artist
from router.errors import Conflict, PlacementStale
from router.words import Mode, Tier

if TYPE_CHECKING:
    from router.words import Tenant
    from tests.worlds import World

TIERS = pytest.mark.parametrize("tier", list(Tier))
OVER = pytest.raises(RuntimeError, match="has ended")


async def names(made: World, tenant: Tenant) -> list[str | None]:
    async with made.lease(tenant, Mode.READ) as lease:
        return list(await (await lease.session()).scalars(select(Artist.name)))


@TIERS
@pytest.mark.parametrize("commits", [True, False])
async def test_what_is_kept_beyond_the_end_refuses_to_speak(
    made: World, tier: Tier, *, commits: bool
) -> None:
    tenant = await made.tenant(tier)
    lease = await made.dispatch.open(tenant, Mode.WRITE)
    session = await lease.session()
    await session.scalars(select(Artist))
    await (lease.commit() if commits else lease.rollback())
    neighbour = await made.dispatch.open(tenant, Mode.WRITE)
    await neighbour.execute("INSERT INTO artist (name) VALUES ('Nina')")
    with OVER:
        await lease.fetch("SELECT 1")
    with OVER:
        await lease.session()
    with OVER:
        await lease.commit()
    with pytest.raises(InvalidRequestError):
        await session.scalars(select(Artist))
    await lease.rollback()
    await neighbour.commit()
    assert await names(made, tenant) == ["Nina"]


@TIERS
async def test_rows_that_were_loaded_can_be_read_after_the_end(made: World, tier: Tier) -> None:
    tenant = await made.tenant(tier)
    async with made.lease(tenant) as lease:
        artist = Artist(name="Nina")
        session = await lease.session()
        session.add(artist)
        await session.flush()
    assert (artist.artist_id, artist.name) == (1, "Nina")


@TIERS
async def test_taking_back_twice_is_taking_back_once(made: World, tier: Tier) -> None:
    tenant = await made.tenant(tier)
    lease = await made.dispatch.open(tenant, Mode.WRITE)
    await lease.rollback()
    await lease.rollback()
    one, two = [await made.dispatch.open(tenant, Mode.WRITE) for _ in range(2)]
    pids = {await lease.fetchrow("SELECT pg_backend_pid()") for lease in (one, two)}
    assert len(pids) == 2
    await one.commit()
    await two.commit()


@TIERS
async def test_a_request_that_missed_a_move_and_went_on_is_not_answered_as_if_kept(
    made: World, tier: Tier
) -> None:
    tenant = await made.tenant(tier)
    lease = await made.dispatch.open(tenant, Mode.WRITE)
    session = await lease.session()
    session.add(Artist(name="before"))
    await session.commit()
    await set_epoch(made, tenant, 2)
    with pytest.raises(PlacementStale):
        await lease.execute("INSERT INTO artist (name) VALUES ('after')")
    with pytest.raises(Conflict, match="went on regardless"):
        await lease.commit()
    await set_epoch(made, tenant, 1)
    for _ in range(3):
        assert await names(made, tenant) == ["before"]


async def set_epoch(made: World, tenant: Tenant, epoch: int) -> None:
    async with made.admin(tenant.placement) as connection:
        await connection.execute(
            "UPDATE gate.home SET epoch = $2 WHERE tenant_id = $1", tenant.id, epoch
        )


@TIERS
async def test_a_session_can_not_change_the_isolation_level_of_its_lease(
    made: World, tier: Tier
) -> None:
    tenant = await made.tenant(tier)
    lease = await made.dispatch.open(tenant, Mode.WRITE)
    await lease.execute("INSERT INTO artist (name) VALUES ('Nina')")
    session = await lease.session()
    with pytest.raises(NotImplementedError, match="the lease decides"):
        await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
    await lease.commit()
    assert await names(made, tenant) == ["Nina"]


@TIERS
async def test_a_cursor_that_a_handler_holds_ends_with_the_next_lease(
    made: World, tier: Tier
) -> None:
    tenant = await made.tenant(tier)
    async with made.lease(tenant) as lease:
        await lease.execute("INSERT INTO artist (name) VALUES ('Nina')")
        await lease.execute("DECLARE kept CURSOR WITH HOLD FOR SELECT name FROM artist")
    lease = await made.dispatch.open(tenant, Mode.WRITE)
    with pytest.raises(asyncpg.InvalidCursorNameError):
        await lease.fetch("FETCH ALL FROM kept")
    await lease.rollback()


@TIERS
async def test_a_handler_that_ends_the_transaction_in_sql_finds_no_tenant(
    made: World, tier: Tier
) -> None:
    tenant = await made.tenant(tier)
    async with made.lease(tenant) as lease:
        await lease.execute("INSERT INTO artist (name) VALUES ('Nina')")
        await lease.execute("COMMIT")
        schema = lease.placement.schema
        assert await lease.fetch(f'SELECT name FROM "{schema}".artist') == []  # noqa: S608 - a name that we drew
        session = await lease.session()
        assert (await session.scalars(text("SELECT gate.tenant()"))).all() == [None]
    assert await names(made, tenant) == ["Nina"]


@TIERS
async def test_what_the_first_session_of_a_pool_finds_set_is_not_believed_for_all(
    made: World, tier: Tier
) -> None:
    tenant = await made.tenant(tier)
    lease = await made.dispatch.open(tenant, Mode.WRITE)
    await lease.execute("SELECT set_config('standard_conforming_strings', 'off', true)")
    await lease.session()
    await lease.rollback()
    statement = select(literal("a\\b", literal_execute=True))
    async with made.lease(tenant) as lease:
        assert (await (await lease.session()).scalars(statement)).all() == ["a\\b"]
