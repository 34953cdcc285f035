"""Whatever Stripe does instead of answering ends in bounded time, in a sentence of ours."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from itertools import count
from uuid import uuid4

import pytest

from billing.provider import Agreement, NewCustomer, Purchase, Usage
from billing.seen import Line
from billing.stripe_provider import (
    STRIPE_VERSION,
    StripeProvider,
    StripeSettings,
    make_stripe_provider,
)
from router.errors import ProviderFailed, ProviderRefused
from tests.billing.provider.answering import KEY, Asked, Said, answering, failed, said

_CALL_S_MAX = 2.0
_MARGIN_S = 1.5
_LINE = Line(price_id="price_1")

NONSENSE = {
    "nothing": b"",
    "no JSON": b"<html>Bad gateway</html>",
    "no UTF-8": b"\xff\xfe\xfd",
    "a list": b"[1, 2, 3]",
    "a text": b'"customer"',
    "a number": b"17",
    "null": b"null",
    "an empty object": b"{}",
    "lists of numbers": b'{"object": "list", "data": [1, 2], "has_more": true, "url": "/v1/x"}',
    "a page without data": b'{"object": "list", "has_more": false}',
    "objects of wrong types": b'{"object": "customer", "id": 7, "metadata": [], "items": 3}',
    "wrong types of objects": b'{"object": {"object": 1}, "id": {"id": null}, "data": {}}',
    "deep": b'{"a":' * 900 + b"1" + b"}" * 900,
    "a long number": b'{"id": ' + b"9" * 5_000 + b"}",
    "a text that PostgreSQL can't hold": b'{"object": "customer", "id": "cus_\\u0000"}',
    "half a surrogate": b'{"object": "customer", "id": "cus_\\ud800"}',
}


async def _first(provider: StripeProvider) -> object:
    return [event async for event in provider.events_since(datetime(2026, 1, 1, tzinfo=UTC))]


async def _customers(provider: StripeProvider) -> object:
    return [customer_id async for customer_id in provider.customers_since(None)]


def _purchase() -> Purchase:
    return Purchase(
        customer_id="cus_1",
        tenant_id=uuid4(),
        lines=(_LINE,),
        success_url="https://x.invalid/",
        cancel_url="https://x.invalid/",
    )


def _agreement() -> Agreement:
    return Agreement(
        customer_id="cus_1",
        tenant_id=uuid4(),
        product_id="stepwell_enterprise",
        currency="usd",
        amount=1_000,
        interval="year",
        net_days=30,
    )


CALLS: dict[str, Callable[[StripeProvider], Awaitable[object]]] = {
    "make_customer": lambda p: p.make_customer(
        NewCustomer(tenant_id=uuid4(), name="Acme", email="a@acme.invalid"), key="k"
    ),
    "look": lambda p: p.look("cus_1"),
    "customers_since": _customers,
    "events_since": _first,
    "checkout": lambda p: p.checkout(_purchase(), key="k"),
    "portal": lambda p: p.portal("cus_1", return_url="https://x.invalid/"),
    "preview": lambda p: p.preview("sub_1", [_LINE]),
    "change": lambda p: p.change("sub_1", [_LINE], key="k"),
    "resume": lambda p: p.resume("sub_1", key="k"),
    "agree": lambda p: p.agree(_agreement(), key="k"),
}


@pytest.mark.parametrize("call", CALLS)
async def test_nonsense_is_a_failure_that_says_so(call: str) -> None:
    bodies = list(NONSENSE.values())

    async def answer(_: Asked) -> Said:
        return Said(body=bodies[0])

    async with answering(answer) as provider:
        while bodies:
            with pytest.raises(ProviderFailed, match="Stripe"):
                await CALLS[call](provider)
            bodies.pop(0)


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_a_stripe_that_fails_is_asked_again_and_then_given_up(status: int) -> None:
    asked = count()

    async def answer(_: Asked) -> Said:
        next(asked)
        return failed(status, "api_error", message="we are sorry")

    async with answering(answer) as provider:
        with pytest.raises(ProviderFailed, match="show customer cus_1"):
            await provider.look("cus_1")
    # The SDK tells nothing apart by 429: Stripe says in a header when that is worth another try.
    assert next(asked) == (1 if status == 429 else 3)


async def test_a_stripe_that_recovers_is_not_noticed() -> None:
    asked = count()

    async def answer(_: Asked) -> Said:
        if next(asked) < 2:
            return failed(500, "api_error")
        return said({"object": "customer", "id": "cus_1", "deleted": True})

    async with answering(answer) as provider:
        seen = await provider.look("cus_1")
    assert seen is not None
    assert seen.is_deleted


async def test_a_repeated_write_bears_the_key_of_the_first() -> None:
    keys: list[str] = []

    async def answer(asked: Asked) -> Said:
        if asked.method == "GET":
            return said({"object": "list", "data": [], "has_more": False})
        keys.append(asked.headers["idempotency-key"])
        if len(keys) < 3:
            return failed(503, "api_error")
        page = {"object": "checkout.session", "id": "cs_1", "url": "https://pay.invalid/1"}
        return said(page)

    async with answering(answer) as provider:
        await provider.checkout(_purchase(), key="one")
    assert keys == ["checkout:one"] * 3


@pytest.mark.parametrize(
    "delay", ["before the head", "within the body"], ids=["no answer", "half an answer"]
)
async def test_a_slow_stripe_is_given_up_in_bounded_time(delay: str) -> None:
    async def answer(_: Asked) -> Said:
        if delay == "before the head":
            return Said(delay_s=60)
        return Said(headers={"content-length": "100"}, body=b"{")

    began = time.monotonic()
    async with answering(answer, answer_s_max=60, call_s_max=_CALL_S_MAX) as provider:
        with pytest.raises(ProviderFailed, match=r"show customer cus_1"):
            await provider.look("cus_1")
    assert time.monotonic() - began < _CALL_S_MAX + _MARGIN_S


async def test_nobody_at_the_address_is_a_failure() -> None:
    async def answer(_: Asked) -> Said:
        return Said()

    async with answering(answer) as provider:
        address = provider.address
    gone = make_stripe_provider(StripeSettings(api_key=KEY, api_base=address, call_s_max=5))
    try:
        with pytest.raises(ProviderFailed, match="can't be reached"):
            await gone.look("cus_1")
    finally:
        await gone.close()


async def test_a_proxy_of_the_environment_is_not_asked_for_a_stand_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    async def answer(_: Asked) -> Said:
        return said({"object": "customer", "id": "cus_1", "deleted": True})

    async with answering(answer) as provider:
        assert await provider.look("cus_1") is not None


@pytest.mark.parametrize("status", [401, 403])
async def test_a_wrong_key_is_never_shown(status: int) -> None:
    async def answer(_: Asked) -> Said:
        return failed(status, "invalid_request_error", message=f"Invalid API Key provided: {KEY}")

    async with answering(answer) as provider:
        with pytest.raises(ProviderFailed, match="STEPWELL_STRIPE_API_KEY") as failure:
            await provider.look("cus_1")
        assert KEY not in repr(provider)
    assert KEY not in str(failure.value)
    assert failure.value.__cause__ is None


async def test_a_refusal_says_what_stripe_says_without_the_key() -> None:
    async def answer(_: Asked) -> Said:
        message = f"No such price: 'price_1' (asked with {KEY})"
        return failed(400, "invalid_request_error", message=message, code="resource_missing")

    async with answering(answer) as provider:
        with pytest.raises(ProviderRefused, match="No such price: 'price_1'") as refusal:
            await provider.checkout(_purchase(), key="k")
    assert KEY not in str(refusal.value)


async def test_a_declined_card_is_a_refusal() -> None:
    async def answer(_: Asked) -> Said:
        return failed(402, "card_error", message="Your card was declined.", code="card_declined")

    async with answering(answer) as provider:
        with pytest.raises(ProviderRefused, match="declined"):
            await provider.agree(_agreement(), key="k")


async def test_every_call_names_the_version_that_the_sdk_was_made_for() -> None:
    versions: set[str] = set()

    async def answer(asked: Asked) -> Said:
        versions.add(asked.headers["stripe-version"])
        return failed(404, "invalid_request_error", code="resource_missing")

    async with answering(answer) as provider:
        assert await provider.look("cus_1") is None
    assert versions == {STRIPE_VERSION}


async def test_a_customer_of_another_name_is_nonsense() -> None:
    async def answer(_: Asked) -> Said:
        return said({"object": "customer", "id": "cus_2"})

    async with answering(answer) as provider:
        with pytest.raises(ProviderFailed, match="cus_2"):
            await provider.look("cus_1")


async def test_usage_that_was_counted_long_ago_is_counted() -> None:
    async def answer(_: Asked) -> Said:
        message = "An event already exists with identifier hour-1."
        return failed(400, "invalid_request_error", message=message)

    def usage(identifier: str) -> Usage:
        return Usage(
            meter="api_calls",
            customer_id="cus_1",
            quantity=3,
            identifier=identifier,
            at=datetime(2026, 1, 1, tzinfo=UTC),
        )

    async with answering(answer) as provider:
        await provider.report(usage("hour-1"))
        with pytest.raises(ProviderRefused):
            await provider.report(usage("hour-2"))


async def test_a_caller_that_leaves_takes_its_call_along() -> None:
    reached = asyncio.Event()

    async def answer(_: Asked) -> Said:
        reached.set()
        return Said(delay_s=60)

    async with answering(answer) as provider:
        task = asyncio.create_task(provider.look("cus_1"))
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
