"""Lists of any length, read to their end and in their order."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from billing import stripe_provider
from router.errors import ProviderFailed
from tests.billing.provider.answering import Asked, Said, answering, said

_START = 1_700_000_000
_SINCE = datetime.fromtimestamp(_START, UTC)


def _page(asked: Asked, items: list[dict[str, object]]) -> Said:
    """Answer as Stripe does: the newest first, a page at a time."""
    after = asked.params.get("starting_after")
    first = next((n + 1 for n, item in enumerate(items) if item["id"] == after), 0)
    limit = int(asked.params["limit"])
    return said(
        {
            "object": "list",
            "url": asked.path,
            "data": items[first : first + limit],
            "has_more": first + limit < len(items),
        }
    )


def _events(times: list[int]) -> list[dict[str, object]]:
    ordered = sorted(times, reverse=True)
    return [
        {
            "id": f"evt_{len(ordered) - number}",
            "object": "event",
            "type": "invoice.paid",
            "created": time,
            "data": {"object": {"object": "invoice", "customer": f"cus_{time}"}},
        }
        for number, time in enumerate(ordered)
    ]


def _created(event: dict[str, object]) -> int:
    created = event["created"]
    assert isinstance(created, int)
    return created


async def _read(times: list[int]) -> tuple[list[str], int]:
    events = _events(times)
    calls: list[Asked] = []

    async def answer(asked: Asked) -> Said:
        calls.append(asked)
        start = int(asked.params["created[gte]"])
        listed = [event for event in events if _created(event) >= start]
        # Whenever somebody looks, something has happened since.
        events.insert(0, {**_events([2**31])[0], "id": f"new_{len(calls)}"})
        return _page(asked, listed)

    async with answering(answer) as provider:
        return [event.id async for event in provider.events_since(_SINCE)], len(calls)


@pytest.mark.parametrize(
    ("count", "calls_max"),
    [(0, 1), (1, 1), (100, 1), (101, 2), (200, 2), (201, 4), (1_234, 24)],
)
async def test_events_come_oldest_first_and_all_of_them(count: int, calls_max: int) -> None:
    ids, calls = await _read([_START + number // 50 for number in range(count)])
    assert ids == [f"evt_{number}" for number in range(1, count + 1)]
    assert calls <= calls_max


async def test_events_that_never_end_are_nonsense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe_provider, "PAGES_MAX", 20)

    async def answer(asked: Asked) -> Said:
        return said(
            {"object": "list", "url": asked.path, "data": _events([_START]), "has_more": True}
        )

    async with answering(answer) as provider:
        with pytest.raises(ProviderFailed, match="20 pages and no end"):
            await anext(provider.events_since(_SINCE))


async def test_each_customer_comes_once_over_all_pages() -> None:
    items: list[dict[str, object]] = [
        {
            "id": f"sub_{number}",
            "object": "subscription",
            "customer": f"cus_{number % 60}",
            "status": "active",
            "items": {"object": "list", "data": []},
            "created": _START,
        }
        for number in range(350)
    ]
    calls: list[Asked] = []

    async def answer(asked: Asked) -> Said:
        calls.append(asked)
        return _page(asked, items)

    async with answering(answer) as provider:
        customers = [each async for each in provider.customers_since(_SINCE)]
    assert customers == [f"cus_{number}" for number in range(60)]
    assert [call.params["created[gte]"] for call in calls] == [str(_START)] * 4
    assert {call.params["status"] for call in calls} == {"all"}


async def test_a_customer_with_many_subscriptions_is_seen_with_all_of_them() -> None:
    tenant_id = uuid4()
    items: list[dict[str, object]] = [
        {
            "id": f"sub_{number}",
            "object": "subscription",
            "customer": "cus_1",
            "status": "canceled",
            "items": {"object": "list", "data": [], "has_more": number == 3},
            "created": _START,
        }
        for number in range(150)
    ]
    item = {"id": "si_1", "object": "subscription_item", "price": {"id": "price_1", "product": "x"}}

    async def answer(asked: Asked) -> Said:
        match asked.path:
            case "/v1/customers/cus_1":
                metadata = {"tenant": str(tenant_id)}
                return said({"object": "customer", "id": "cus_1", "metadata": metadata})
            case "/v1/subscriptions":
                return _page(asked, items)
            case "/v1/subscription_items":
                return said({"object": "list", "data": [item], "has_more": False})
            case _:
                return said({"object": "list", "data": [], "has_more": False})

    async with answering(answer) as provider:
        seen = await provider.look("cus_1")
    assert seen is not None
    assert seen.tenant_id == tenant_id
    assert [each.id for each in seen.subscriptions] == [f"sub_{n}" for n in range(150)]
    assert [each.price_id for each in seen.subscriptions[3].items] == ["price_1"]


async def test_another_customers_subscriptions_are_nonsense() -> None:
    async def answer(asked: Asked) -> Said:
        if asked.path.startswith("/v1/customers"):
            return said({"object": "customer", "id": "cus_1"})
        foreign: dict[str, object] = {
            "id": "sub_1",
            "object": "subscription",
            "customer": "cus_2",
            "status": "active",
            "items": {"object": "list", "data": []},
            "created": _START,
        }
        return _page(asked, [foreign])

    async with answering(answer) as provider:
        with pytest.raises(ProviderFailed, match="another customer's"):
            await provider.look("cus_1")
