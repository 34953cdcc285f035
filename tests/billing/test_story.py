"""From sign-up to another tier and back, with real parts: gateway, worker, stand-in, clusters."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from examples.store.generate import generate_csv
from examples.store.models import TABLES
from tests.billing.story import WRITTEN, Buyer, Dashboard, sign_up, told_by
from tests.cli.worlds import Stack, running, telling
from tests.gateways import bearer, expect
from tests.stack.worlds import open_folder
from tests.worlds import ROOT

if TYPE_CHECKING:
    from httpx import AsyncClient

CHINOOK = ROOT.parent / "shared" / "data" / "chinook"


@pytest.fixture(scope="module")
def stack() -> Generator[Stack]:
    with telling() as teller, open_folder() as folder:
        stack = Stack(teller, folder / "state")
        with running(stack, "--no-demo"):
            yield stack


@pytest.fixture(scope="module")
async def client(stack: Stack) -> AsyncIterator[AsyncClient]:
    url = told_by(stack).urls["api"]
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture(scope="module")
async def stripe(stack: Stack) -> AsyncIterator[Dashboard]:
    made = Dashboard(told_by(stack).stand_in)
    yield made
    await made.close()


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    if CHINOOK.is_dir():
        return {name: Path(CHINOOK, f"{name}.csv").read_bytes() for name in TABLES}
    return generate_csv(seed=11)


class Rows:
    """What a shop's exports must say, whatever its tier."""

    def __init__(self, buyer: Buyer, before: dict[str, bytes]) -> None:
        self.buyer = buyer
        self.before = before

    @classmethod
    async def of(cls, buyer: Buyer) -> Rows:
        return cls(buyer, {table: await buyer.export(table) for table in TABLES})

    async def check(self) -> None:
        for table, content in self.before.items():
            now = await self.buyer.export(table)
            if table == WRITTEN:
                assert now.startswith(content), "the old rows come first, as they were"
            else:
                assert now == content, table

    async def check_written(self, accepted: list[str]) -> None:
        """Each playlist whose making was acknowledged is there, and none is there twice."""
        added = (await self.buyer.export(WRITTEN)).removeprefix(self.before[WRITTEN])
        names = [line.partition(",")[2] for line in added.decode().splitlines()]
        assert names[: len(accepted)] == accepted
        assert len(names) - len(accepted) <= 1, "one more may be on its way"


@pytest.mark.timeout(600)
async def test_a_shop_buys_is_moved_and_leaves_while_it_works(
    stack: Stack, client: AsyncClient, stripe: Dashboard, files: dict[str, bytes]
) -> None:
    clock = await stripe.stand_in.clock_for_new_customers(int(time.time()))
    assert clock is not None
    shop = await sign_up(client, plan="pro")
    assert (shop.told["tenant"]["plan"], shop.told["tenant"]["tier"]) == ("starter", "rows")
    await shop.load(files)
    rows = await Rows.of(shop)
    if CHINOOK.is_dir():
        assert rows.before == files
    async with shop.writing() as accepted:
        paid = await stripe.pay(shop.checkout_url)
        # The page after paying is for whoever is logged in at a browser.
        assert (await client.get(paid)).headers["location"].startswith("/login")
        seen = await shop.until(lambda seen: seen["plan"] == "pro")
        assert seen["limits"]["seats"] == 50
        await shop.until(lambda seen: seen["tier"] == "schema")
        await rows.check()
        # As sales would, on the provider's dashboard.
        bought = (await shop.billing())["subscription"]["id"]
        await stripe.swap(bought, "enterprise_monthly")
        seen = await shop.until(lambda seen: seen["plan"] == "enterprise")
        assert seen["limits"]["seats"] is None
        await shop.until(lambda seen: seen["tier"] == "database")
        await rows.check()
        left = await shop.ask("POST", "/api/billing/cancel")
        assert (left["plan"], left["ending"]["plan"]) == ("enterprise", "starter")
        assert left["notices"][0]["kind"] == "plan_ends"
        assert (await shop.tenant())["plan"] == "enterprise"
        await stripe.stand_in.advance(clock, await stripe.period_end(bought) + 60)
        await shop.until(lambda seen: seen["plan"] == "starter")
        await shop.until(lambda seen: seen["tier"] == "rows")
        await rows.check()
    await rows.check_written(accepted)
    assert len(accepted) > 20
    moves = stack.ask("move", "list", "--tenant", shop.slug, "--json").documents()
    assert len(moves) == 3, "one for each real change of tier"
    assert stack.ask("billing", "show", shop.slug, "--json").document()["differences"] == []


async def test_a_user_in_three_tenants_has_three_billings(
    client: AsyncClient, stripe: Dashboard
) -> None:
    email = "collector@three.example"
    shops = [await sign_up(client, plan="pro", email=email) for _ in range(3)]
    await stripe.pay(shops[0].checkout_url)
    await stripe.pay(shops[1].checkout_url)
    for shop in shops[:2]:
        await shop.until(lambda seen: (seen["plan"], seen["tier"]) == ("pro", "schema"))
    first, second, third = [await shop.billing() for shop in shops]
    assert len({each["customer_id"] for each in (first, second, third)}) == 3
    assert [each["plan"] for each in (first, second, third)] == ["pro", "pro", "starter"]
    await shops[1].ask("POST", "/api/billing/cancel")
    kept = await shops[0].billing()
    assert kept["subscription"] == first["subscription"]
    assert (await shops[1].billing())["ending"]["plan"] == "starter"
    assert (await shops[2].billing())["subscription"] is None


async def test_with_every_event_lost_a_comparison_finds_what_was_bought(
    stack: Stack, client: AsyncClient, stripe: Dashboard
) -> None:
    shop = await sign_up(client, plan="pro")
    await stripe.stand_in.faults(lose=1.0)
    await stripe.pay(shop.checkout_url)
    assert (await shop.tenant())["plan"] == "starter"
    headers = {**bearer(told_by(stack).ops_token), "X-Reason": "events were lost"}
    answer = await client.post("/api/ops/billing/reconcile", headers=headers)
    report = expect(answer, 200)
    await stripe.stand_in.faults()
    found = [
        each for each in report["differences"] if each["tenant_id"] == shop.told["tenant"]["id"]
    ]
    assert [(each["ours"]["plan"], each["theirs"]["plan"]) for each in found] == [
        ("starter", "pro")
    ]
    assert report["is_complete"]
    await shop.until(lambda seen: (seen["plan"], seen["tier"]) == ("pro", "schema"))
