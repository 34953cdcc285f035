"""Each rule of billing finds what is planted for it, names it, and finds nothing else."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from billing.price_list import read_price_list
from deploy.doctor import RULES, examine_catalog
from deploy.fleet_setup import bring_up_to_date
from router.catalog import Catalog, tenants
from router.connect import connect, parse_dsn
from router.database import drop_database, make_database
from router.names import random_name
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator
    from uuid import UUID

    from router.connect import Connection
    from tests.worlds import Clusters

PLANTS = load("tests.doctor", "billing_plants.sql")
#: What each hole is called when it is found.
OBJECTS = {
    "provider_failing": "shop",
    "account_unsynced": "shop",
    "event_waiting": "evt_late",
    "event_kept": "evt_kept",
    "account_problem": "shop",
    "paid_twice": "shop",
    "meter_unsent": "shop",
    "usage_rest": "catalog.usage_event_rest",
}


@pytest.fixture(scope="module")
async def catalog(clusters: Clusters) -> AsyncIterator[Catalog]:
    name = random_name("c_")
    admin = parse_dsn(clusters.shared.dsn(), name="shared-1")
    connection = await connect(admin, purpose="test")
    await make_database(connection, name)
    made = Catalog(parse_dsn(clusters.shared.dsn(name), name=name))
    await bring_up_to_date(made, read_price_list())
    yield made
    await made.close()
    await drop_database(connection, name)
    await connection.close()


@asynccontextmanager
async def shop(catalog: Catalog) -> AsyncGenerator[tuple[Connection, UUID]]:
    """Lend a tenant with an account, in a transaction that is taken back."""
    async with catalog.connection() as connection:
        await connection.execute("BEGIN")
        tenant = await tenants.create(connection, slug="shop", name="Shop", plan="pro")
        await connection.execute(
            "INSERT INTO catalog.billing (tenant_id, provider, customer_id) VALUES ($1, $2, $3)",
            tenant.id,
            "stripe",
            "cus_shop",
        )
        try:
            yield connection, tenant.id
        finally:
            await connection.execute("ROLLBACK")


def test_every_rule_of_billing_is_planted_here() -> None:
    rules = {rule.name.replace("-", "_") for rule in RULES if rule.scope == "billing"}
    assert set(PLANTS) == rules
    assert list(PLANTS) == [*OBJECTS, "usage_month"]


@pytest.mark.parametrize("section", OBJECTS)
async def test_a_planted_hole_is_found_and_nothing_else(catalog: Catalog, section: str) -> None:
    async with shop(catalog) as (connection, tenant_id):
        assert await examine_catalog(connection) == []
        await connection.execute(PLANTS[section], tenant_id)
        found = await examine_catalog(connection)
    assert [(each.rule, each.object) for each in found] == [
        (section.replace("_", "-"), OBJECTS[section])
    ]
    assert found[0].detail
    assert not found[0].grave


async def test_a_month_without_its_partition_is_found(catalog: Catalog) -> None:
    async with shop(catalog) as (connection, _):
        month = await connection.fetchval("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')")
        await connection.execute(PLANTS["usage_month"])
        found = await examine_catalog(connection)
    assert [(each.rule, each.object) for each in found] == [
        ("usage-month", f"catalog.usage_event_{month}")
    ]


async def test_an_event_that_nobody_heard_of_is_found_though_it_has_no_error(
    catalog: Catalog,
) -> None:
    async with shop(catalog) as (connection, tenant_id):
        await connection.execute(PLANTS["meter_unsent"], tenant_id)
        unheard = "UPDATE catalog.meter_event SET error = NULL, tried_at = $1"
        await connection.execute(unheard, datetime.now(UTC) - timedelta(days=1))
        (found,) = await examine_catalog(connection)
    assert (found.rule, found.object) == ("meter-unsent", "shop")
    assert found.detail.endswith("no answer was heard")
    assert "stepwell usage held" in found.remedy
