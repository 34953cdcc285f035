"""The manners of the API: keys, errors, repeats, pages, expansion."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import httpx
import pytest
import stripe

from tests.billing.stand_in.running import StandIn, stand_in
from tests.billing.stand_in.shop import Shop, connected


def _client(running: StandIn, key: str | None = None) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {key or running.api_key}"}
    return httpx.AsyncClient(base_url=running.url, headers=headers, timeout=30, trust_env=False)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("sk_live_abc", "live key"),
        ("rk_live_abc", "live key"),
        ("sk_test_other", "Invalid API Key"),
        ("nonsense", "Invalid API Key"),
    ],
)
async def test_another_key_is_refused(running: StandIn, key: str, said: str) -> None:
    async with _client(running, key) as http:
        answer = await http.get("/v1/customers")
    assert answer.status_code == 401
    assert said in answer.json()["error"]["message"]
    assert key not in answer.text


async def test_no_key_is_refused_and_basic_authentication_is_a_key(running: StandIn) -> None:
    async with httpx.AsyncClient(base_url=running.url, trust_env=False) as http:
        assert (await http.get("/v1/customers")).status_code == 401
        assert (await http.get("/_stand_in/faults")).status_code == 401
        answer = await http.get("/v1/customers", auth=(running.api_key, ""))
        assert answer.status_code == 200


async def test_what_is_not_there_is_404_and_says_so(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No such customer") as caught:
        await shop.client.v1.customers.retrieve_async("cus_nobody")
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


async def test_a_field_that_is_missing_unknown_or_wrong_is_named(running: StandIn) -> None:
    async with _client(running) as http:
        missing = await http.post("/v1/prices", data={"currency": "usd"})
        unknown = await http.post("/v1/customers", data={"nmae": "Acme"})
        wrong = await http.post("/v1/products", data={"name": "x", "active": "perhaps"})
    assert (missing.status_code, unknown.status_code, wrong.status_code) == (400, 400, 400)
    assert missing.json()["error"]["code"] == "parameter_missing"
    assert unknown.json()["error"]["param"] == "nmae"
    assert wrong.json()["error"]["param"] == "active"


async def test_what_is_refused_has_changed_nothing(running: StandIn) -> None:
    async with _client(running) as http:
        before = (await http.get("/v1/events?limit=1")).json()["data"][:1]
        refused = await http.post("/v1/products", data={"name": "Never", "nmae": "x"})
        after = (await http.get("/v1/events?limit=1")).json()["data"][:1]
    assert refused.status_code == 400
    assert after == before


async def test_the_version_that_was_asked_for_is_said_back(running: StandIn) -> None:
    async with _client(running) as http:
        answer = await http.get("/v1/customers", headers={"Stripe-Version": "2031-01-01.unknown"})
    assert answer.status_code == 200
    assert answer.headers["stripe-version"] == "2031-01-01.unknown"


# Repeats ----------------------------------------------------------------------------------------


async def test_the_same_key_and_fields_are_one_call(shop: Shop) -> None:
    key = uuid4().hex
    made = [
        await shop.client.v1.customers.create_async({"name": "A"}, {"idempotency_key": key})
        for _ in range(2)
    ]
    assert made[0].id == made[1].id


async def test_the_same_key_with_other_fields_is_stripes_error(shop: Shop) -> None:
    key = uuid4().hex
    await shop.client.v1.customers.create_async({"name": "A"}, {"idempotency_key": key})
    with pytest.raises(stripe.IdempotencyError, match="same parameters") as caught:
        await shop.client.v1.customers.create_async({"name": "B"}, {"idempotency_key": key})
    assert caught.value.http_status == 400


async def test_two_calls_at_once_with_one_key_are_a_conflict() -> None:
    async with stand_in() as running, connected(running) as client:
        await running.faults(api_delay_ms=300)
        key = uuid4().hex
        answers = await asyncio.gather(
            *(
                client.v1.customers.create_async({"name": "A"}, {"idempotency_key": key})
                for _ in range(3)
            ),
            return_exceptions=True,
        )
        await running.faults()
        conflicts = [one for one in answers if isinstance(one, stripe.StripeError)]
        assert [one.http_status for one in conflicts] == [409, 409]
        assert len((await client.v1.customers.list_async()).data) == 1


async def test_a_declined_card_stays_declined_under_its_key(shop: Shop) -> None:
    customer = await shop.customer(card="pm_card_chargeCustomerFail")
    key = uuid4().hex
    for card in ("fails", "good"):
        await shop.running.card(customer, card)
        with pytest.raises(stripe.CardError) as caught:
            await shop.client.v1.subscriptions.create_async(
                {
                    "customer": customer,
                    "items": [{"price": shop.pro}],
                    "payment_behavior": "error_if_incomplete",
                },
                {"idempotency_key": key},
            )
        assert caught.value.code == "card_declined"
    listed = await shop.client.v1.subscriptions.list_async({"customer": customer, "status": "all"})
    assert listed.data == []


# Pages ------------------------------------------------------------------------------------------


async def test_pages_go_forward_and_back_without_gap_or_repeat(shop: Shop) -> None:
    clock = await shop.clock()
    made = [await shop.customer(clock=clock) for _ in range(7)]
    listed = await shop.client.v1.customers.list_async({"test_clock": clock, "limit": 3})
    found = [one.id async for one in listed.auto_paging_iter()]
    assert found == made[::-1]
    back = await shop.client.v1.customers.list_async(
        {"test_clock": clock, "limit": 2, "ending_before": made[2]}
    )
    assert [one.id for one in back.data] == [made[4], made[3]]
    assert back.has_more
    last = await shop.client.v1.customers.list_async(
        {"test_clock": clock, "limit": 3, "starting_after": made[3]}
    )
    assert [one.id for one in last.data] == made[2::-1]
    assert not last.has_more


async def test_a_cursor_to_nothing_and_a_limit_out_of_bounds_are_refused(shop: Shop) -> None:
    for params in ({"starting_after": "cus_nobody"}, {"limit": 101}, {"limit": 0}):
        with pytest.raises(stripe.InvalidRequestError):
            await shop.client.v1.customers.list_async(params)  # type: ignore[arg-type]  # wrong on purpose


async def test_events_are_listed_by_time(shop: Shop) -> None:
    at = 1_234_567_890
    customer = await shop.customer(clock=await shop.clock(at))
    around = await shop.client.v1.events.list_async({"created": {"gte": at, "lt": at + 1}})
    assert [event.data.object["id"] for event in around.data] == [customer]
    after = await shop.client.v1.events.list_async({"created": {"gt": at, "lte": at + 1}})
    assert after.data == []


# Expansion --------------------------------------------------------------------------------------


async def test_ids_are_expanded_where_that_is_asked_for(shop: Shop) -> None:
    customer = await shop.customer(card="pm_card_visa")
    held = await shop.subscribe(
        customer, expand=["customer", "latest_invoice", "items.data.price.product"]
    )
    assert isinstance(held.customer, stripe.Customer)
    assert isinstance(held.latest_invoice, stripe.Invoice)
    assert held.latest_invoice.status == "paid"
    assert isinstance(shop.item(held).price.product, stripe.Product)
    listed = await shop.client.v1.subscriptions.list_async(
        {"customer": customer, "expand": ["data.customer"]}
    )
    assert isinstance(listed.data[0].customer, stripe.Customer)


async def test_what_cannot_be_expanded_is_named(shop: Shop) -> None:
    customer = await shop.customer()
    for path in ("email", "metadata.x", "a.b.c.d.e.f"):
        with pytest.raises(stripe.InvalidRequestError, match="expand"):
            await shop.client.v1.customers.update_async(
                customer, {"metadata": {"tenant": "t"}, "email": "b@acme.invalid", "expand": [path]}
            )


# Switches ---------------------------------------------------------------------------------------


async def test_the_api_fails_as_the_switches_say() -> None:
    async with stand_in() as running, connected(running) as client:
        await running.faults(rate_limit=1.0)
        with pytest.raises(stripe.RateLimitError):
            await client.v1.customers.list_async()
        await running.faults(nonsense=1.0)
        with pytest.raises(stripe.APIError):
            await client.v1.customers.list_async()
        await running.faults(fail_api=1.0, seed=1)
        for _ in range(20):
            with pytest.raises(stripe.APIError):
                await client.v1.customers.create_async({"name": "A"})
        await running.faults()
        done = len((await client.v1.customers.list_async({"limit": 100})).data)
        assert 0 < done < 20, "some of what fails was done, some wasn't"


async def test_a_repeat_after_a_lost_answer_does_nothing_twice() -> None:
    async with stand_in() as running, connected(running, repeats=10) as client:
        await running.faults(fail_api=0.5, seed=3)
        made = {(await client.v1.customers.create_async({"name": "A"})).id for _ in range(5)}
        await running.faults()
        listed = await client.v1.customers.list_async({"limit": 100})
        assert {one.id for one in listed.data} == made


async def test_a_switch_that_makes_no_sense_is_refused(running: StandIn) -> None:
    async with _client(running) as http:
        for switch in ({"lose": 2}, {"duplicates": -1}, {"explode": True}, [1]):
            answer = await http.post("/_stand_in/faults", json=switch)
            assert answer.status_code == 400
