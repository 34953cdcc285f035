"""What the first release stored is migrated and served by the next one, in every tier."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import pytest_asyncio

from migrations.product.render import render
from router.catalog import tenants, waves
from router.catalog.wave_words import MigrationState
from router.database import SHARED_SCHEMA, Blueprint, drop_schema, make_schema
from router.errors import Unprocessable
from router.product.plug import load
from router.sql import load as load_sql
from router.words import Mode, Tier
from tests.gateways import expect, gateway_world, make_tenant
from tests.migrations.twofold.worlds import Migrations
from tests.worlds import STORE_PRODUCT

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from router.words import Placement, Tenant
    from tests.gateways import Customer, GatewayWorld
    from tests.worlds import Clusters

PRODUCT = "tests.migrations.olddata.product:product"
RELEASED, NEXT = "0001_e320fb", "0002_awards"
TABLES = Path(__file__).with_name("tables.sql").read_text(encoding="utf-8")
ROWS = load_sql("tests.migrations.olddata", "rows.sql")
NAMES = ["AC/DC", "Ólafur Arnalds", ""]
APPLIED = "SELECT array_agg(revision ORDER BY revision) FROM gate.applied WHERE schema_name = $1"


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """A customer whose place and rows are of the first release."""

    customer: Customer
    place: Placement


class Street(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway of the next release, and shops in every tier."""

    world: GatewayWorld
    shops: tuple[Shop, ...]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def street(clusters: Clusters) -> AsyncGenerator[Street]:
    async with gateway_world(clusters, product=PRODUCT) as world:
        customers = [await make_tenant(world, tier) for tier in (Tier.ROWS, *Tier)]
        async with world.platform.catalog.connection() as connection:
            found = {
                each.id: each
                for each in await tenants.find_many(connection, [each.id for each in customers])
            }
        shops = tuple(_shop(customer, found[customer.id]) for customer in customers)
        for place in {each.place.schema: each.place for each in shops}.values():
            await _put_back(world, place)
        for shop in shops:
            await _fill(world, found[shop.customer.id])
        yield Street(world=world, shops=shops)


def _shop(customer: Customer, tenant: Tenant) -> Shop:
    assert tenant.placement is not None
    return Shop(customer=customer, place=tenant.placement)


async def _put_back(world: GatewayWorld, place: Placement) -> None:
    """Make a place anew as the first release did, which noted no revision one by one."""
    is_shared = place.schema == SHARED_SCHEMA
    async with world.platform.fleet.admin(place.cluster, place.database) as connection:
        await drop_schema(connection, place.schema)
        await make_schema(
            connection,
            place.schema,
            tier=place.tier,
            grantee="stepwell_rows" if is_shared else place.login,
            blueprint=Blueprint(head=RELEASED, schema_sql=TABLES, reference_sql=""),
        )


async def _fill(world: GatewayWorld, tenant: Tenant) -> None:
    lease = await world.platform.dispatch.open(tenant, Mode.WRITE)
    for statement in ROWS.values():
        await lease.execute(statement)
    await lease.commit()


def test_what_was_released_is_still_what_the_first_revision_says() -> None:
    first = render(load(STORE_PRODUCT)).revisions[0]
    told = re.sub(r"^--.*$", "", TABLES, flags=re.MULTILINE)
    assert (first.id, first.sql.split()) == (RELEASED, told.split())


async def test_old_rows_are_served_with_new_columns(street: Street) -> None:
    world = street.world
    document = await Migrations(world.platform).run(to=NEXT)
    assert (document.state, document.error) == (MigrationState.DONE, None)
    for shop in street.shops:
        headers = shop.customer.headers
        stars = (await world.client.get("/stars", headers=headers)).json()
        assert [star["name"] for star in stars] == NAMES
        assert {(star["born"], star["is_active"]) for star in stars} == {(None, True)}
        tracks = expect(await world.client.get("/tracks", headers=headers), 200)["items"]
        assert [track["name"] for track in tracks] == ["Go Down"]


async def test_new_rows_stand_beside_old_ones(street: Street) -> None:
    world = street.world
    for shop in street.shops:
        headers = shop.customer.headers
        stars = (await world.client.get("/stars", headers=headers)).json()
        won = {"artist_id": stars[0]["artist_id"]}
        expect(await world.client.post("/awards", json=won, headers=headers), 201)
        made = await world.client.post("/artists", json={"name": "Björk"}, headers=headers)
        expect(made, 201)
        stars = (await world.client.get("/stars", headers=headers)).json()
        assert [star["name"] for star in stars] == [*NAMES, "Björk"]


async def test_old_places_remember_what_they_have_been_through(street: Street) -> None:
    for shop in street.shops:
        place = shop.place
        fleet = street.world.platform.fleet
        async with fleet.admin(place.cluster, place.database) as connection:
            assert await connection.fetchval(APPLIED, place.schema) == [RELEASED, NEXT]


async def test_what_has_no_way_back_is_not_taken_back(street: Street) -> None:
    with pytest.raises(Unprocessable, match=f"{NEXT} has no downgrade: write one, or write"):
        await Migrations(street.world.platform).run(to=RELEASED)
    async with street.world.platform.catalog.connection() as connection:
        assert await waves.find_open(connection) is None
