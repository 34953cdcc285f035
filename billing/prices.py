"""Which plan a price leads to: every price that the provider ever had for us, and today's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from billing.price_list import ListedPlan
from billing.seen import Charge, Interval, Line, SeenItem, SeenPrice
from router.errors import Conflict, ProviderFailed, Unprocessable
from router.sql import load

if TYPE_CHECKING:
    from router.connect import Connection

_SQL = load("billing", "prices.sql")


class BookedPrice(msgspec.Struct, frozen=True, kw_only=True):
    """A price with the plan that it leads to. ``amount`` is in the currency's minor unit."""

    id: str
    product_id: str
    lookup_key: str
    plan: str
    charge: Charge
    currency: str
    amount: int
    interval: Interval
    is_current: bool


class PriceBook(msgspec.Struct, frozen=True, kw_only=True):
    """Every price of one provider: today's first, then from the newest to the oldest."""

    prices: tuple[BookedPrice, ...]

    def plan_of(self, item: SeenItem) -> str | None:
        """Return the plan that was bought; None where no list of ours ever had such a price."""
        for price in self.prices:
            if price.id == item.price_id:
                return price.plan
        for price in self.prices:
            if price.is_current and price.lookup_key == item.lookup_key:
                return price.plan
        for price in self.prices:
            if price.product_id == item.product_id:
                return price.plan
        return None

    def lines_for(
        self, plan: str, interval: Interval, seats: int | None = None
    ) -> tuple[Line, ...]:
        """Return what is bought with a plan today; raises Unprocessable where it isn't sold so.

        Where seats are paid for, there is at least one.
        """
        current = [price for price in self.prices if price.is_current and price.plan == plan]
        lines = tuple(
            Line(price_id=price.id, quantity=_quantity(price.charge, seats or 1))
            for price in current
            if price.interval is interval
        )
        if lines:
            return lines
        sold = " or ".join(sorted({f"by the {price.interval.value}" for price in current}))
        raise Unprocessable(
            f"plan {plan[:40]!r} isn't sold by the {interval.value}: "
            + (f"choose {sold}" if sold else "it has no price")
        )

    def product_of(self, plan: str) -> str:
        """Return the product that a plan is sold as; raises Unprocessable where it has no price."""
        for price in self.prices:
            if price.plan == plan:
                return price.product_id
        raise Unprocessable(
            f"plan {plan[:40]!r} has no price, so the provider has no product for it: give it one"
            " in the price list, then run `stepwell billing sync`"
        )


class PriceReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a sync did, by lookup key. Who has a ``retired`` price keeps it; nobody else gets it."""

    written: tuple[str, ...]
    retired: tuple[str, ...]
    unchanged: tuple[str, ...]


async def sync(
    connection: Connection,
    provider: str,
    plans: Sequence[ListedPlan],
    seen: Sequence[SeenPrice],
) -> PriceReport:
    """Write down which of the provider's prices is whose, as the price list says now."""
    books = _booked(plans, seen)
    async with connection.transaction():
        await _check_plans(connection, sorted({book.plan for book in books}))
        # Two syncs at once would each retire what the other one has written.
        await connection.execute(_SQL["lock"])
        ids = [book.id for book in books]
        retired = await connection.fetch(_SQL["retire"], provider, ids)
        written = [book.lookup_key for book in books if await _write(connection, provider, book)]
    return PriceReport(
        written=tuple(written),
        retired=tuple(row["lookup_key"] for row in retired),
        unchanged=tuple(book.lookup_key for book in books if book.lookup_key not in written),
    )


async def read_book(connection: Connection, provider: str) -> PriceBook:
    """Read every price of a provider."""
    rows = await connection.fetch(_SQL["list"], provider)
    return PriceBook(
        prices=tuple(
            BookedPrice(
                id=row["id"],
                product_id=row["product_id"],
                lookup_key=row["lookup_key"],
                plan=row["plan"],
                charge=Charge(row["charge"]),
                currency=row["currency"],
                amount=row["amount"],
                interval=Interval(row["interval"]),
                is_current=row["is_current"],
            )
            for row in rows
        )
    )


def _quantity(charge: Charge, seats: int) -> int | None:
    match charge:
        case Charge.PLAN:
            return 1
        case Charge.SEAT:
            return seats
        case Charge.USAGE:
            return None


def _booked(plans: Sequence[ListedPlan], seen: Sequence[SeenPrice]) -> list[BookedPrice]:
    by_key = {price.lookup_key: price for price in seen}
    listed = [(plan, price) for plan in plans for price in plan.price]
    missing = [price.lookup_key for _, price in listed if price.lookup_key not in by_key]
    if missing:
        raise ProviderFailed(f"the provider has no price {', '.join(missing)} after it was made")
    return [
        BookedPrice(
            id=by_key[price.lookup_key].id,
            product_id=by_key[price.lookup_key].product_id,
            lookup_key=price.lookup_key,
            plan=plan.name,
            charge=price.charge,
            currency=price.currency,
            amount=price.amount,
            interval=price.interval,
            is_current=True,
        )
        for plan, price in listed
    ]


async def _check_plans(connection: Connection, names: list[str]) -> None:
    if unknown := await connection.fetch(_SQL["unknown_plans"], names):
        raise Conflict(
            f"the catalog doesn't know plan {', '.join(row['name'] for row in unknown)}: run"
            " `stepwell migrate catalog` first"
        )


async def _write(connection: Connection, provider: str, book: BookedPrice) -> bool:
    """Write one price; false where it stood like this already."""
    return (
        await connection.fetchval(
            _SQL["write"],
            provider,
            book.id,
            book.product_id,
            book.lookup_key,
            book.plan,
            book.charge,
            book.currency,
            book.amount,
            book.interval,
        )
        is not None
    )
