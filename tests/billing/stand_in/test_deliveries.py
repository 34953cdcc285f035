"""Events on their way: signed, repeated, lost, out of order, and never forgotten."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import stripe

from deploy.stand_in import faults
from deploy.stand_in.deliveries import RETRY_S_MAX, retry_delay_s
from deploy.stand_in.faults import Faults
from tests.billing.stand_in.listening import listening, verify
from tests.billing.stand_in.running import WEBHOOK_SECRET, stand_in
from tests.billing.stand_in.shop import connected


async def _make(client: stripe.StripeClient, count: int) -> list[str]:
    return [
        (await client.v1.customers.create_async({"name": f"C{number}"})).id
        for number in range(count)
    ]


async def test_events_arrive_signed_and_in_their_order() -> None:
    async with listening() as heard, stand_in(heard.url) as running, connected(running) as client:
        made = await _make(client, 20)
        await running.flush()
    assert [event.data.object["id"] for event in heard.events] == made
    assert {event.type for event in heard.events} == {"customer.created"}


async def test_an_event_is_signed_with_its_endpoints_secret() -> None:
    body = b'{"id": "evt_1"}'
    async with listening() as heard, stand_in(heard.url) as running, connected(running) as client:
        await _make(client, 1)
        await running.flush()
    assert len(heard.events) == 1, "the listener verifies with the SDK"
    with pytest.raises(stripe.SignatureVerificationError):
        verify(body.decode(), "t=1,v1=0", WEBHOOK_SECRET)


async def test_what_is_not_taken_comes_again() -> None:
    async with listening() as heard, stand_in(heard.url) as running, connected(running) as client:
        heard.statuses = [500, 400, 302]
        made = await _make(client, 2)
        await running.flush()
    assert heard.refused == 3
    assert {event.data.object["id"] for event in heard.events} == set(made)


async def test_every_event_comes_as_often_as_the_switch_says() -> None:
    async with listening() as heard, stand_in(heard.url) as running, connected(running) as client:
        await running.faults(duplicates=2)
        await _make(client, 5)
        await running.flush()
    assert len(heard.ids) == 15
    assert len(set(heard.ids)) == 5


async def test_events_overtake_each_other_when_reordered() -> None:
    async with listening() as heard, stand_in(heard.url) as running, connected(running) as client:
        await running.faults(reorder=True, seed=5)
        made = await _make(client, 20)
        await running.flush()
    arrived = [event.data.object["id"] for event in heard.events]
    assert sorted(arrived) == sorted(made)
    assert arrived != made


async def test_a_lost_event_is_in_the_list_and_nowhere_else() -> None:
    async with listening() as heard, stand_in(heard.url) as running, connected(running) as client:
        await running.faults(lose=1.0)
        await _make(client, 5)
        await running.faults()
        await running.flush()
        listed = await client.v1.events.list_async({"limit": 100})
    assert heard.events == []
    assert len(listed.data) == 5


async def test_an_endpoint_hears_only_what_it_asked_for() -> None:
    async with listening() as heard, stand_in() as running, connected(running) as client:
        made = await client.v1.webhook_endpoints.create_async(
            {"url": heard.url, "enabled_events": ["customer.deleted"]}
        )
        assert made.secret is not None
        assert made.secret.startswith("whsec_")
        shown = await client.v1.webhook_endpoints.retrieve_async(made.id)
        assert shown.secret is None
        await client.v1.webhook_endpoints.delete_async(made.id)
        await _make(client, 1)
        await running.flush()
    assert heard.events == []


async def test_kill_9_loses_nothing(tmp_path: Path) -> None:
    async with listening() as heard:
        heard.statuses = [503] * 1_000
        async with stand_in(heard.url, folder=tmp_path) as running, connected(running) as client:
            made = await _make(client, 5)
            os.kill(running.pid, signal.SIGKILL)
        heard.statuses = []
        async with stand_in(heard.url, folder=tmp_path) as running, connected(running) as client:
            listed = await client.v1.customers.list_async({"limit": 100})
            assert [one.id for one in listed.data] == made[::-1]
            await running.flush()
            again = await _make(client, 1)
            assert again[0] not in made
    assert {event.data.object["id"] for event in heard.events} >= set(made)


async def test_an_endpoint_that_is_named_no_more_is_forgotten(tmp_path: Path) -> None:
    async with listening() as heard:
        gone = stand_in("http://127.0.0.1:1/gone", folder=tmp_path)
        async with gone as running, connected(running) as client:
            await _make(client, 1)
        async with stand_in(heard.url, folder=tmp_path) as running, connected(running) as client:
            endpoints = await client.v1.webhook_endpoints.list_async()
            assert [one.url for one in endpoints.data] == [heard.url]
            await running.flush()
    assert heard.events == []


def test_the_same_seed_loses_the_same_events() -> None:
    switches = Faults(lose=0.5, seed=9)
    events = [f"evt_{number}" for number in range(400)]
    lost = [event for event in events if not faults.deliveries(switches, event)]
    assert lost == [event for event in events if not faults.deliveries(switches, event)]
    assert 150 < len(lost) < 250
    other = Faults(lose=0.5, seed=10)
    assert lost != [event for event in events if not faults.deliveries(other, event)]


def test_retries_begin_soon_and_never_wait_long() -> None:
    waits = [retry_delay_s(attempts) for attempts in range(100)]
    assert waits[0] == 0.2
    assert waits == sorted(waits)
    assert waits[-1] == RETRY_S_MAX
