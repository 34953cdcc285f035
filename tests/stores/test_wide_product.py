"""A product with one of everything: written as a revision, stored, moved as text, compared."""

from __future__ import annotations

import uuid
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import Range, insert
from sqlalchemy.exc import IntegrityError

from migrations.product.render import blueprint_of
from migrations.product.write import write_revision
from router.product import Product
from router.product.plug import accept
from router.words import Tier
from tests.products.wide import Base, Booking, Mood, Person, Place, Team, Thing
from tests.worlds import World, scratch_database, world_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from sqlalchemy.ext.asyncio import AsyncSession

    from tests.worlds import Clusters

TIERS = pytest.mark.parametrize("tier", list(Tier))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def wide(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[World]:
    folder: Path = tmp_path_factory.mktemp("wide")
    product = Product(
        name="wide", metadata=Base.metadata, routes=[], revisions=str(folder / "revisions")
    )
    loaded = accept(product, root=folder)
    async with scratch_database(clusters, loaded) as scratch:
        assert await write_revision(loaded, "one of everything", scratch=scratch) is not None
        assert await write_revision(loaded, "nothing more", scratch=scratch) is None
    assert blueprint_of(loaded).head.startswith("0001_")
    async with world_of(clusters, loaded) as built:
        async with built.admin() as connection:
            await connection.execute("INSERT INTO reference.country VALUES ('FR', 'France')")
        yield built


async def fill(session: AsyncSession) -> None:
    mentor = Person(name="Ada")
    session.add(mentor)
    await session.flush()
    team = Team(name="red", leader_id=mentor.person_id)
    session.add(team)
    await session.flush()
    session.add(
        Person(name="Bob", mentor_id=mentor.person_id, team_id=team.team_id, is_captain=True)
    )
    session.add(Place(building="A", room=1, label=None, floor=2))
    await session.flush()
    session.add(Booking(building="A", room=1, hours=Range(8, 10)))
    session.add(
        Thing(
            amount=Decimal("12345678901234.567890"),
            ratio=0.1,
            day=date(2026, 2, 28),
            moment=datetime(2026, 2, 28, 23, 59, 59, 999999),  # noqa: DTZ001 - the column has no zone
            clock=time(23, 59),
            spent=timedelta(days=3, seconds=7),
            blob=b"\x00\xff",
            words=["a,b", '"', "", "ünï"],
            grid=[[1, 2], [3, 4]],
            document={"k": [1, None, "x"]},
            host="10.0.0.1",
            mood=Mood.BAD,
        )
    )
    session.add(Thing(words=[], document={}))
    await session.flush()


@TIERS
async def test_every_type_comes_back_as_it_was(wide: World, tier: Tier) -> None:
    tenant = await wide.tenant(tier)
    async with wide.lease(tenant) as lease:
        session = await lease.session()
        await fill(session)
        session.expire_all()
        thing = (await session.scalars(select(Thing).where(Thing.mood == Mood.BAD))).one()
        assert thing.words == ["a,b", '"', "", "ünï"]
        assert thing.grid == [[1, 2], [3, 4]]
        assert thing.document == {"k": [1, None, "x"]}
        assert thing.blob == b"\x00\xff"
        assert thing.doubled == Decimal("24691357802469.135780")


@TIERS
async def test_all_rows_move_as_text_and_prove_equal(wide: World, tier: Tier) -> None:
    source, target = await wide.tenant(tier), await wide.tenant(Tier.ROWS)
    assert source.placement is not None
    assert target.placement is not None
    async with wide.lease(source) as lease:
        await fill(await lease.session())
    async with (
        wide.stores[tier].rows(source.id, source.placement) as taken,
        wide.stores[Tier.ROWS].rows(target.id, target.placement) as given,
    ):
        for table in ("thing", "place", "booking"):
            await given.write(table, [row async for row in taken.read(table)])
    async with (
        wide.stores[tier].rows(source.id, source.placement) as taken,
        wide.stores[Tier.ROWS].rows(target.id, target.placement) as given,
    ):
        for table in ("thing", "place", "booking"):
            assert await given.digest(table) == await taken.digest(table)


@TIERS
async def test_a_reference_table_is_read_and_not_written(wide: World, tier: Tier) -> None:
    tenant = await wide.tenant(tier)
    async with wide.admin(tenant.placement) as connection:
        await connection.execute(
            "INSERT INTO reference.country VALUES ('FR', 'France') ON CONFLICT DO NOTHING"
        )
    async with wide.lease(tenant) as lease:
        session = await lease.session()
        session.add(Person(name="Chloé", country="FR"))
        await session.flush()
        assert [each["name"] for each in await lease.fetch("SELECT name FROM country")] == [
            "France"
        ]
    lease = await wide.dispatch.open(tenant, wide.entry(tenant).mode)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await lease.execute("UPDATE reference.country SET name = 'x'")
    await lease.rollback()


@TIERS
async def test_partial_and_null_aware_rules_hold_within_a_tenant(wide: World, tier: Tier) -> None:
    tenant = await wide.tenant(tier)
    lease = await wide.dispatch.open(tenant, wide.entry(tenant).mode)
    session = await lease.session()
    session.add(Team(name="red"))
    await session.flush()
    session.add_all([Person(name=name, team_id=1, is_captain=True) for name in "ab"])
    with pytest.raises(IntegrityError, match="one_captain_a_team"):
        await session.flush()
    await session.rollback()
    places = [{"building": "A", "room": room, "label": None, "floor": None} for room in (1, 2)]
    with pytest.raises(IntegrityError, match="place_tenant_id_label"):
        await session.execute(insert(Place).values(places))
    await lease.rollback()


@TIERS
async def test_a_default_key_that_is_no_identity_works(wide: World, tier: Tier) -> None:
    tenant = await wide.tenant(tier)
    async with wide.lease(tenant) as lease:
        session = await lease.session()
        session.add(Place(building="A", room=1))
        await session.flush()
        booking = Booking(building="A", room=1, hours=Range(1, 2))
        session.add(booking)
        await session.flush()
        assert isinstance(booking.booking_id, uuid.UUID)
