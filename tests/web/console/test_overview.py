"""The overview's page: numbers that lead on, and words where there is nothing to see to."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from billing.sweep import Compared, Difference, Failure, Side
from deploy.servers import measure_due
from router.catalog import looks
from router.catalog.looks import LookKind
from router.words import Standing, TenantId
from tests.gateways import Customer, GatewayWorld
from tests.web.surfing import Shown, Surfer


@pytest.mark.usefixtures("shop")
async def test_every_number_leads_to_a_page_that_is_there(
    made: GatewayWorld, observer: Surfer
) -> None:
    await measure_due(made.platform, every=timedelta(seconds=-1))
    answer = await observer.get("/console")
    assert answer.status_code == 200
    main = Shown(answer.text.partition("<main")[2])
    assert "rows, active" in main.text
    for said in ("shared-1", "dedicated-1", "Connections of shared-1", "As of"):
        assert said in answer.text
    paths = {path for path in main.links if path.startswith("/console")}
    assert "/console/tenants?status=active&tier=rows" in paths
    for path in sorted(paths):
        assert (await observer.get(path)).status_code == 200, path


async def test_what_a_comparison_found_is_shown_with_whom_it_was_about(
    made: GatewayWorld, observer: Surfer, shop: Customer
) -> None:
    await observer.get("/console/comparison")
    assert "Nothing was compared yet" in observer.text
    side = Side(plan="starter", standing=Standing.GOOD, subscriptions=())
    other = Side(plan="pro", standing=Standing.GOOD, subscriptions=("sub_1 active",))
    compared = Compared(
        accounts_looked=17,
        events_found=0,
        customers_adopted=0,
        is_complete=False,
        differences=2,
        failures=1,
        first_differences=(
            Difference(
                tenant_id=TenantId(str(shop.id)), ours=side, theirs=other, done="plan changed"
            ),
        ),
        first_failures=(Failure(about=f"tenant {uuid.uuid4()}", reason="<no answer>"),),
    )
    async with made.platform.catalog.connection() as connection:
        await looks.end(connection, LookKind.COMPARISON, "stripe", compared)
    answer = await observer.get("/console/comparison")
    for said in ("17", "broken off", "plan changed", "<no answer>", "The first 1 of them"):
        assert said in observer.text
    assert f'href="/console/tenants/{shop.id}"' in answer.text
    assert "/console/comparison" not in observer.forms
    await observer.get("/console")
    assert "Differences" in observer.text


async def test_comparing_asks_why_and_says_where_nobody_takes_the_money(operator: Surfer) -> None:
    await operator.get("/console/comparison")
    refused = await operator.submit("/console/comparison", {"reason": " "})
    assert (refused.status_code, "Say why" in operator.text) == (422, True)
    refused = await operator.submit("/console/comparison", {"reason": "an event is missing"})
    assert refused.status_code == 422
    assert "takes no payments" in operator.text
