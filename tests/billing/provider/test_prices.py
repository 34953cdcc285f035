"""Which plan a price leads to, as the catalog keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from billing import prices
from billing.price_list import ListedPlan, ListedPrice, listed_plans
from billing.prices import PriceBook, PriceReport
from billing.seen import Charge, Interval, Line, SeenItem
from router.catalog import Catalog
from router.errors import Conflict, ProviderFailed, Unprocessable
from router.words import Limits, Tier
from tests.billing.memory_provider import MemoryProvider
from tests.catalog.worlds import Server, catalog_on, server

_ALL = ("pro_monthly", "pro_yearly", "enterprise_monthly")


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    async with server(tmp_path_factory.mktemp("catalog")) as made:
        yield made


@pytest.fixture
async def catalog(running: Server) -> AsyncIterator[Catalog]:
    async with catalog_on(running) as made:
        yield made


def _raised(plans: tuple[ListedPlan, ...], key: str, amount: int) -> tuple[ListedPlan, ...]:
    """Return the price list with another amount under one lookup key."""

    def price(old: ListedPrice) -> ListedPrice:
        return replace(old, amount=amount) if old.lookup_key == key else old

    return tuple(replace(plan, price=tuple(price(old) for old in plan.price)) for plan in plans)


async def _sync(
    catalog: Catalog, provider: MemoryProvider, plans: tuple[ListedPlan, ...] | None = None
) -> PriceReport:
    plans = listed_plans() if plans is None else plans
    seen = await provider.list_prices(plans)
    async with catalog.connection() as connection:
        return await prices.sync(connection, provider.name, plans, seen)


async def _book(catalog: Catalog) -> PriceBook:
    async with catalog.connection() as connection:
        return await prices.read_book(connection, "memory")


def _item(
    price_id: str = "foreign", *, product_id: str = "foreign", lookup_key: str | None = None
) -> SeenItem:
    return SeenItem(
        id="item", price_id=price_id, product_id=product_id, lookup_key=lookup_key, quantity=1
    )


async def test_a_second_sync_changes_nothing(catalog: Catalog) -> None:
    provider = MemoryProvider()
    first = await _sync(catalog, provider)
    assert first == PriceReport(written=_ALL, retired=(), unchanged=())
    book = await _book(catalog)
    assert await _sync(catalog, provider) == PriceReport(written=(), retired=(), unchanged=_ALL)
    assert await _book(catalog) == book


async def test_a_new_amount_is_a_new_price_and_the_old_one_still_leads_to_its_plan(
    catalog: Catalog,
) -> None:
    provider = MemoryProvider()
    await _sync(catalog, provider)
    old = provider.price("pro_monthly")
    raised = _raised(listed_plans(), "pro_monthly", 12_900)
    assert await _sync(catalog, provider, raised) == PriceReport(
        written=("pro_monthly",),
        retired=("pro_monthly",),
        unchanged=("pro_yearly", "enterprise_monthly"),
    )
    book = await _book(catalog)
    assert book.plan_of(_item(old.id)) == "pro"
    new = provider.price("pro_monthly")
    assert book.lines_for("pro", Interval.MONTH) == (Line(price_id=new.id),)
    assert new.id != old.id


async def test_an_amount_that_comes_back_is_current_once(catalog: Catalog) -> None:
    provider = MemoryProvider()
    raised = _raised(listed_plans(), "pro_monthly", 12_900)
    for plans in (listed_plans(), raised, listed_plans()):
        await _sync(catalog, provider, plans)
    book = await _book(catalog)
    pro = [price for price in book.prices if price.lookup_key == "pro_monthly"]
    assert (pro[0].amount, pro[0].is_current) == (9_900, True)
    assert sum(price.is_current for price in pro) == 1


async def test_a_price_that_left_the_list_is_sold_no_more(catalog: Catalog) -> None:
    provider = MemoryProvider()
    await _sync(catalog, provider)
    fewer = tuple(replace(plan, price=plan.price[:1]) for plan in listed_plans())
    assert (await _sync(catalog, provider, fewer)).retired == ("pro_yearly",)
    book = await _book(catalog)
    assert book.plan_of(_item(provider.price("pro_yearly").id)) == "pro"
    with pytest.raises(Unprocessable, match="choose by the month"):
        book.lines_for("pro", Interval.YEAR)


async def test_a_price_is_known_by_its_id_then_its_key_then_its_product(catalog: Catalog) -> None:
    provider = MemoryProvider()
    await _sync(catalog, provider)
    book = await _book(catalog)
    pro = provider.price("pro_monthly")
    enterprise = provider.price("enterprise_monthly")
    by_id = _item(pro.id, product_id=enterprise.product_id, lookup_key="enterprise_monthly")
    by_key = _item(product_id=pro.product_id, lookup_key="enterprise_monthly")
    by_product = _item(product_id=enterprise.product_id, lookup_key="of_long_ago")
    assert [book.plan_of(item) for item in (by_id, by_key, by_product, _item())] == [
        "pro",
        "enterprise",
        "enterprise",
        None,
    ]
    assert book.product_of("enterprise") == enterprise.product_id


async def test_many_syncs_at_once_end_as_one(catalog: Catalog) -> None:
    provider = MemoryProvider()
    reports = await asyncio.gather(*(_sync(catalog, provider) for _ in range(8)))
    assert sum(len(report.written) for report in reports) == len(_ALL)
    book = await _book(catalog)
    assert sorted(price.lookup_key for price in book.prices if price.is_current) == sorted(_ALL)


async def test_a_plan_that_the_catalog_does_not_know_writes_nothing(catalog: Catalog) -> None:
    provider = MemoryProvider()
    price = replace(listed_plans()[1].price[0], lookup_key="gold_monthly")
    gold = ListedPlan(
        name="gold", title="Gold", version=1, tier=Tier.SCHEMA, limits=Limits(), price=(price,)
    )
    with pytest.raises(Conflict, match=r"gold: run `stepwell migrate catalog`"):
        await _sync(catalog, provider, (*listed_plans(), gold))
    assert (await _book(catalog)).prices == ()


async def test_a_price_that_the_provider_did_not_make_writes_nothing(catalog: Catalog) -> None:
    seen = (await MemoryProvider().list_prices(listed_plans()))[1:]
    async with catalog.connection() as connection:
        with pytest.raises(ProviderFailed, match="pro_monthly"):
            await prices.sync(connection, "memory", listed_plans(), seen)
    assert (await _book(catalog)).prices == ()


async def test_a_plan_is_bought_with_its_seats_and_what_it_counts(catalog: Catalog) -> None:
    provider = MemoryProvider()
    pro = listed_plans()[1]
    monthly = pro.price[0]
    seat = replace(monthly, lookup_key="pro_seat", charge=Charge.SEAT, amount=500)
    calls = replace(
        monthly, lookup_key="pro_calls", charge=Charge.USAGE, amount=1, metric="api_calls"
    )
    await _sync(catalog, provider, (replace(pro, price=(monthly, seat, calls)),))
    lines = (await _book(catalog)).lines_for("pro", Interval.MONTH, 7)
    quantities = {line.price_id: line.quantity for line in lines}
    assert quantities == {
        provider.price("pro_monthly").id: 1,
        provider.price("pro_seat").id: 7,
        provider.price("pro_calls").id: None,
    }


@pytest.mark.parametrize("plan", ["starter", "gold"])
async def test_what_has_no_price_is_not_sold(catalog: Catalog, plan: str) -> None:
    await _sync(catalog, MemoryProvider())
    book = await _book(catalog)
    with pytest.raises(Unprocessable, match="it has no price"):
        book.lines_for(plan, Interval.MONTH)
    with pytest.raises(Unprocessable, match="has no price"):
        book.product_of(plan)
