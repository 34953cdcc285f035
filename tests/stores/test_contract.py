"""The contract of a store, run over all three: what holds in one tier holds in every tier."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest
from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from examples.store.models import Artist, Employee, Genre
from router.errors import Conflict
from router.lease import Moved
from router.product import continue_identity
from router.words import Consistency, Isolation, Mode, Tier

if TYPE_CHECKING:
    from router.words import Tenant
    from tests.worlds import World

TIERS = pytest.mark.parametrize("tier", list(Tier))
PLACES = pytest.mark.parametrize(
    ("tier", "isolation"),
    [
        (Tier.ROWS, Isolation.SHARED),
        (Tier.ROWS, Isolation.STRICT),
        (Tier.SCHEMA, Isolation.SHARED),
        (Tier.SCHEMA, Isolation.STRICT),
        (Tier.DATABASE, Isolation.STRICT),
    ],
)


async def add_artists(made: World, tenant: Tenant, *names: str) -> list[int]:
    async with made.lease(tenant) as lease:
        session = await lease.session()
        artists = [Artist(name=name) for name in names]
        session.add_all(artists)
        await session.flush()
        return [artist.artist_id for artist in artists]


async def names(made: World, tenant: Tenant) -> list[str]:
    async with made.lease(tenant, Mode.READ) as lease:
        session = await lease.session()
        return list(await session.scalars(select(Artist.name).order_by(Artist.artist_id)))


@PLACES
async def test_two_tenants_see_their_own_rows_with_the_same_ids(
    made: World, tier: Tier, isolation: Isolation
) -> None:
    one, two = await made.tenant(tier, isolation), await made.tenant(tier, isolation)
    assert await add_artists(made, one, "Nina", "Miles") == [1, 2]
    assert await add_artists(made, two, "Ella") == [1]
    assert await names(made, one) == ["Nina", "Miles"]
    assert await names(made, two) == ["Ella"]


@TIERS
async def test_provisioning_twice_is_provisioning_once(made: World, tier: Tier) -> None:
    tenant = await made.tenant(tier)
    assert tenant.placement is not None
    await add_artists(made, tenant, "Nina")
    await made.stores[tier].provision(tenant.id, tenant.placement)
    assert await names(made, tenant) == ["Nina"]


@TIERS
async def test_both_lanes_share_one_transaction(made: World, tier: Tier) -> None:
    tenant = await made.tenant(tier)
    async with made.lease(tenant) as lease:
        await lease.execute("INSERT INTO artist (name) VALUES ($1)", "Nina")
        session = await lease.session()
        assert await session.scalar(select(func.count()).select_from(Artist)) == 1
        session.add(Artist(name="Miles"))
        await session.flush()
        assert len(await lease.fetch("SELECT name FROM artist")) == 2


@TIERS
async def test_a_rolled_back_lease_leaves_nothing(made: World, tier: Tier) -> None:
    tenant = await made.tenant(tier)
    lease = await made.dispatch.open(tenant, Mode.WRITE)
    await lease.execute("INSERT INTO artist (name) VALUES ('Nina')")
    await lease.rollback()
    assert await names(made, tenant) == []


@TIERS
async def test_a_product_that_commits_in_mid_request_keeps_its_tenant(
    made: World, tier: Tier
) -> None:
    tenant = await made.tenant(tier)
    async with made.lease(tenant) as lease:
        session = await lease.session()
        session.add(Artist(name="kept"))
        await session.commit()
        assert list(await session.scalars(select(Artist.name))) == ["kept"]
        session.add(Artist(name="taken back"))
        await session.flush()
        await session.rollback()
        assert list(await session.scalars(select(Artist.name))) == ["kept"]
    assert await names(made, tenant) == ["kept"]


@TIERS
async def test_a_swallowed_failure_is_not_committed_as_if_nothing_were(
    made: World, tier: Tier
) -> None:
    tenant = await made.tenant(tier)
    lease = await made.dispatch.open(tenant, Mode.WRITE)
    await lease.execute("INSERT INTO artist (name) VALUES ('Nina')")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await lease.execute("SELECT 1 / 0")
    with pytest.raises(Conflict, match="nothing of it was kept"):
        await lease.commit()
    assert await names(made, tenant) == []


@TIERS
async def test_a_reader_can_not_write(made: World, tier: Tier) -> None:
    tenant = await made.tenant(tier)
    lease = await made.dispatch.open(tenant, Mode.READ)
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await lease.execute("INSERT INTO artist (name) VALUES ('Nina')")
    await lease.rollback()


@TIERS
async def test_a_reader_can_not_make_itself_a_writer(made: World, tier: Tier) -> None:
    tenant = await made.tenant(tier)
    lease = await made.dispatch.open(tenant, Mode.READ)
    with pytest.raises(asyncpg.PostgresError):
        await lease.execute("SELECT set_config('transaction_read_only', 'off', true)")
    await lease.rollback()


@TIERS
async def test_upsert_by_columns_works(made: World, tier: Tier) -> None:
    tenant = await made.tenant(tier)
    statement = (
        insert(Genre)
        .values(name="Jazz")
        .on_conflict_do_update(index_elements=["name"], set_={"name": "Jazz"})
    )
    async with made.lease(tenant) as lease:
        session = await lease.session()
        await session.execute(statement)
        await session.execute(statement)
        await session.execute(insert(Genre).values(name="Jazz").on_conflict_do_nothing())
        assert await session.scalar(select(func.count()).select_from(Genre)) == 1


@TIERS
async def test_a_parent_s_end_sets_its_children_free_and_keeps_their_tenant(
    made: World, tier: Tier
) -> None:
    tenant = await made.tenant(tier)
    async with made.lease(tenant) as lease:
        session = await lease.session()
        boss = Employee(first_name="A", last_name="B")
        session.add(boss)
        await session.flush()
        worker = Employee(first_name="C", last_name="D", reports_to=boss.employee_id)
        session.add(worker)
        await session.flush()
        await session.delete(boss)
        await session.flush()
        await session.refresh(worker)
        assert worker.reports_to is None


@TIERS
async def test_ids_continue_above_imported_ones(made: World, tier: Tier) -> None:
    tenant = await made.tenant(tier)
    async with made.lease(tenant) as lease:
        session = await lease.session()
        await session.execute(insert(Artist).values(artist_id=275, name="imported"))
        await continue_identity(session, Artist)
        artist = Artist(name="new")
        session.add(artist)
        await session.flush()
        assert artist.artist_id == 276
        await continue_identity(session, Artist)
        many = [Artist(name=f"artist {number}") for number in range(50)]
        session.add_all(many)
        await session.flush()
        assert sorted(artist.artist_id for artist in many) == list(range(277, 327))


@TIERS
async def test_rows_read_as_text_are_written_back_the_same(made: World, tier: Tier) -> None:
    source, target = await made.tenant(Tier.ROWS), await made.tenant(tier)
    assert source.placement is not None
    assert target.placement is not None
    await add_artists(made, source, "Nina", "", "Ünïcode 🎷", 'a,b\n"c"')
    store = made.stores[tier]
    async with made.stores[Tier.ROWS].rows(source.id, source.placement) as rows:
        copied = [row async for row in rows.read("artist")]
        expected = await rows.digest("artist")
    async with store.rows(target.id, target.placement) as rows:
        await rows.write("artist", copied)
    async with store.rows(target.id, target.placement) as rows:
        assert await rows.digest("artist") == expected
        assert expected.rows == 4


@TIERS
async def test_one_changed_cell_changes_the_digest(made: World, tier: Tier) -> None:
    tenant = await made.tenant(tier)
    assert tenant.placement is not None
    await add_artists(made, tenant, "Nina", "Miles")
    async with made.stores[tier].rows(tenant.id, tenant.placement) as rows:
        before = await rows.digest("artist")
    async with made.lease(tenant) as lease:
        await lease.execute("UPDATE artist SET name = 'Nino' WHERE artist_id = 1")
    async with made.stores[tier].rows(tenant.id, tenant.placement) as rows:
        after = await rows.digest("artist")
    assert (before.rows, after.rows) == (2, 2)
    assert before.digest != after.digest


@PLACES
async def test_erase_leaves_nothing_and_spares_the_neighbour(
    made: World, tier: Tier, isolation: Isolation
) -> None:
    tenant, neighbour = await made.tenant(tier, isolation), await made.tenant(tier, isolation)
    assert tenant.placement is not None
    for each in (tenant, neighbour):
        await add_artists(made, each, "Nina", "Miles")
    counts = await made.stores[tier].erase(tenant.id, tenant.placement)
    assert counts["artist"] == 2
    with pytest.raises(Exception, match=r"not here|can't be entered|can't be reached"):
        await open_lease_at(made, tenant)
    assert await names(made, neighbour) == ["Nina", "Miles"]


async def open_lease_at(made: World, tenant: Tenant) -> None:
    """Enter a tenant where it was, without following it."""
    lease = await made.stores[tenant.placement.tier].lease(made.entry(tenant))  # type: ignore[union-attr]  # every tenant of these tests has one
    await lease.rollback()


@TIERS
async def test_an_old_epoch_is_refused_with_the_place_in_its_detail(
    made: World, tier: Tier
) -> None:
    tenant = await made.tenant(tier)
    assert tenant.placement is not None
    stale = msgspec.structs.replace(
        tenant, placement=msgspec.structs.replace(tenant.placement, epoch=7)
    )
    with pytest.raises(Moved) as refused:
        await open_lease_at(made, stale)
    assert refused.value.place == tenant.placement


@TIERS
async def test_an_unknown_tenant_is_refused_without_a_place(made: World, tier: Tier) -> None:
    tenant = await made.tenant(tier)
    stranger = msgspec.structs.replace(tenant, id=uuid.uuid4())
    with pytest.raises(Moved) as refused:
        await open_lease_at(made, stranger)
    assert refused.value.place is None


@TIERS
@pytest.mark.parametrize("consistency", list(Consistency))
async def test_every_isolation_level_serves(
    made: World, tier: Tier, consistency: Consistency
) -> None:
    tenant = await made.tenant(tier)
    async with made.lease(tenant, consistency=consistency) as lease:
        await lease.execute("INSERT INTO artist (name) VALUES ('Nina')")
    assert await names(made, tenant) == ["Nina"]


@TIERS
async def test_a_lease_is_three_round_trips(made: World, tier: Tier) -> None:
    tenant = await made.tenant(tier)
    await names(made, tenant)
    sent = await count_statements(made, tenant)
    assert sent == ["BEGIN", "SELECT", "COMMIT"]


async def count_statements(made: World, tenant: Tenant) -> list[str]:
    """Open, read and commit, and say which messages went out, by their first word."""
    lease = await made.dispatch.open(tenant, Mode.WRITE)
    sent = ["BEGIN"]
    raw = lease._link.raw  # noqa: SLF001 - to hear what is really sent
    raw.add_query_logger(lambda record: sent.append(record.query.split()[0].rstrip(";")))
    await lease.fetch("SELECT name FROM artist")
    await lease.commit()
    await asyncio.sleep(0)  # asyncpg calls its loggers in the next turn of the loop
    return sent


@TIERS
async def test_fifty_at_once_are_served(made: World, tier: Tier) -> None:
    tenant = await made.tenant(tier)
    await asyncio.gather(*(add_artists(made, tenant, f"artist {n}") for n in range(50)))
    assert len(await names(made, tenant)) == 50


@TIERS
async def test_raw_sql_can_not_hold_two_statements(made: World, tier: Tier) -> None:
    tenant = await made.tenant(tier)
    lease = await made.dispatch.open(tenant, Mode.WRITE)
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await lease.execute("SELECT 1; SELECT 2")
    await lease.rollback()
    lease = await made.dispatch.open(tenant, Mode.WRITE)
    session = await lease.session()
    with pytest.raises(DBAPIError):
        await session.execute(text("SELECT 1; SELECT 2"))
    await lease.rollback()


@TIERS
async def test_streaming_reads_a_table_in_batches(made: World, tier: Tier) -> None:
    tenant = await made.tenant(tier)
    await add_artists(made, tenant, *[f"artist {number}" for number in range(1_200)])
    async with made.lease(tenant, Mode.READ) as lease:
        seen = [
            record["artist_id"] async for record in lease.stream("SELECT artist_id FROM artist")
        ]
    assert sorted(seen) == list(range(1, 1_201))
