"""What gateways write down, and what the provider's meters end up with."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime, timedelta

from billing.price_list import ListedPlan, ListedPrice, listed_plans
from billing.provider import Usage
from billing.seen import Charge, Interval
from router.catalog import Catalog
from router.catalog.usage import API_CALLS
from router.errors import ProviderFailed, ProviderRefused
from router.sql import load
from router.words import TenantId
from tests.billing.memory_provider import MemoryProvider

_SQL = load("tests.billing.metering", "books.sql")
_ACCOUNT = "INSERT INTO catalog.billing (tenant_id, provider, customer_id) VALUES ($1, $2, $3)"
_numbers = itertools.count(1)


class Meter(MemoryProvider):
    """Keeps each call; may count a call and lose the answer, or refuse it."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Usage] = []
        self.lose_next = 0
        self.refuses = False

    async def report(self, usage: Usage) -> None:
        self.heard.append(usage)
        if self.refuses:
            raise ProviderRefused("there is no such meter")
        await super().report(usage)
        if self.lose_next > 0:
            self.lose_next -= 1
            raise ProviderFailed("the answer was lost")

    def sums(self) -> Counter[str]:
        """What the meter counted, by customer."""
        found = Counter[str]()
        for usage in self.told.values():
            found[usage.customer_id] += usage.quantity
        return found


def metered_plans() -> tuple[ListedPlan, ...]:
    """A price list that charges for calls."""
    price = ListedPrice(
        lookup_key="pro_calls",
        charge=Charge.USAGE,
        currency="usd",
        amount=1,
        interval=Interval.MONTH,
        metric=API_CALLS,
    )
    plan = next(plan for plan in listed_plans() if plan.name == "pro")
    return (
        ListedPlan(
            name=plan.name,
            title=plan.title,
            version=plan.version,
            tier=plan.tier,
            limits=plan.limits,
            price=(*plan.price, price),
        ),
    )


def this_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def hours_ago(hours: int) -> datetime:
    """A moment well within a past hour."""
    return this_hour() - timedelta(hours=hours) + timedelta(minutes=20)


async def record(
    catalog: Catalog, tenant_id: TenantId, quantity: int, at: datetime, *, metric: str = API_CALLS
) -> None:
    """Write what a gateway counted, as gateways do: the entry with its totals."""
    key = f"test:{next(_numbers)}"
    await execute(catalog, _SQL["record"], tenant_id, metric, quantity, key, at)


async def make_customer(
    catalog: Catalog, tenant_id: TenantId, provider: MemoryProvider, *, name: str = "memory"
) -> str:
    customer_id = provider.customer_of(tenant_id)
    await execute(catalog, _ACCOUNT, tenant_id, name, customer_id)
    return customer_id


async def execute(catalog: Catalog, statement: str, *values: object) -> None:
    """Change the books behind everybody's back."""
    async with catalog.connection() as connection:
        await connection.execute(statement, *values)


async def fetchval(catalog: Catalog, statement: str, *values: object) -> object:
    async with catalog.connection() as connection:
        return await connection.fetchval(statement, *values)
