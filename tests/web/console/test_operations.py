"""Failed work on the console: found, told with its log, and tried again once."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest

from router.catalog import operations
from router.catalog.operations import Claim, NewOperation, Operation, OperationState
from tests.gateways import Customer, GatewayWorld
from tests.web.surfing import Surfer

#: No runner of any test knows this kind, so that nobody takes the work away.
KIND = "chore"


async def fail(made: GatewayWorld, shop: Customer, kind: str = KIND) -> Operation:
    claim = Claim(owner="a test", lease=timedelta(minutes=1))
    async with made.platform.catalog.transaction() as connection:
        wanted = NewOperation(kind=kind, tenant_id=shop.id)
        recorded = await operations.begin(connection, wanted)
        claimed = await operations.claim_this(connection, claim, recorded.id)
        assert claimed is not None
        return await operations.fail(connection, claimed, error="<no room>", retry_after=None)


async def test_what_failed_is_listed_first_and_filters_stay_in_the_address(
    made: GatewayWorld, observer: Surfer, shop: Customer
) -> None:
    failed = await fail(made, shop)
    answer = await observer.get(f"/console/operations?tenant={shop.slug}")
    assert f'href="/console/operations/{failed.id}"' in answer.text
    assert "<no room>" in observer.text
    await observer.get(f"/console/operations?state=all&tenant={shop.slug}")
    assert "provision" in observer.text
    await observer.get(f"/console/operations?state=cancelled&kind={KIND}&tenant={shop.slug}")
    assert "No work is like that" in observer.text
    await observer.get("/console/operations?kind=nothing-of-the-kind")
    assert "Nothing failed" in observer.text
    assert (await observer.get("/console/operations?state=lost")).status_code == 400


async def test_it_is_tried_again_once_by_a_form_that_asks_why(
    made: GatewayWorld, operator: Surfer, shop: Customer
) -> None:
    failed = await fail(made, shop)
    page = f"/console/operations/{failed.id}"
    await operator.get(page)
    assert "<no room>" in operator.text
    refused = await operator.submit(f"{page}/retry", {"reason": ""})
    assert (refused.status_code, "Say why" in operator.text) == (422, True)
    sent = {**operator.forms[f"{page}/retry"], "reason": "there is room"}
    for _ in range(2):
        answer = await operator.post(f"{page}/retry", sent)
        assert (answer.status_code, answer.headers["location"]) == (303, page)
    await operator.get(page)
    assert f"{page}/retry" not in operator.forms
    async with made.platform.catalog.connection() as connection:
        waiting = await operations.get(connection, failed.id)
        assert waiting.state is OperationState.WAITING
        await operations.cancel(connection, failed.id)


@pytest.mark.parametrize(("kind", "said"), [("move", "begin another move"), ("restore", "archive")])
async def test_what_is_not_begun_again_says_what_to_do(
    made: GatewayWorld, operator: Surfer, shop: Customer, kind: str, said: str
) -> None:
    failed = await fail(made, shop, kind)
    page = f"/console/operations/{failed.id}"
    await operator.get(page)
    assert said in operator.text
    assert f"{page}/retry" not in operator.forms


async def test_who_only_looks_tries_nothing_again(
    made: GatewayWorld, observer: Surfer, shop: Customer
) -> None:
    failed = await fail(made, shop)
    page = f"/console/operations/{failed.id}"
    await observer.get(page)
    assert f"{page}/retry" not in observer.forms
    token = observer.forms["/logout"]["_csrf_token"]
    sent = {"_csrf_token": token, "reason": "why not"}
    assert (await observer.post(f"{page}/retry", sent)).status_code == 403
    assert (await observer.get(f"/console/operations/{uuid.uuid4()}")).status_code == 404
