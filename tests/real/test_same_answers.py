"""The same request gets the same answer in every tier: byte for byte, but for time and number."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime

import msgspec
from httpx import Response

from router.words import Tier
from tests.gateways import Customer, GatewayWorld, at, expect, make_tenant
from tests.real.conftest import Files
from tests.real.script import CSV, SCRIPT, Asked

_REQUEST_ID = re.compile(rb'"request_id":"[^"]*"')
#: No row of the files is of this year.
_NOW = re.compile(rb"%d-[0-9]{2}-[0-9]{2}[T ][0-9:]{8}" % datetime.now(UTC).year)
#: Headers that are of one delivery.
#: What says more of the moment than of the answer.
_OF_A_DELIVERY = frozenset({"date", "x-request-id", "content-length", "ratelimit"})
REQUESTS_MIN = 60


class _Page(msgspec.Struct):
    next: str | None = None


async def play(made: GatewayWorld, customer: Customer) -> list[tuple[Asked, int, object, bytes]]:
    """Send the whole script as one customer, and note what came back."""
    seen: list[tuple[Asked, int, object, bytes]] = []
    cursor = ""
    for asked in SCRIPT:
        path = f"{asked.path}&after={cursor}" if asked.follows else asked.path
        answer = await send(made, customer, asked, path)
        headers = sorted(
            (name, value) for name, value in answer.headers.items() if name not in _OF_A_DELIVERY
        )
        seen.append((asked, answer.status_code, headers, _REQUEST_ID.sub(b"", answer.content)))
        cursor = _cursor_of(answer) or cursor
    return seen


async def send(made: GatewayWorld, customer: Customer, asked: Asked, path: str) -> Response:
    headers = customer.headers | at(customer.slug)
    content = asked.content
    if asked.body is not None:
        content = msgspec.json.encode(asked.body)
    if content is not None:
        headers["Content-Type"] = CSV if path.startswith("/import/") else "application/json"
    return await made.client.request(asked.method, path, content=content, headers=headers)


async def test_every_tier_gives_the_same_answers(made: GatewayWorld, files: Files) -> None:
    customers = [await make_tenant(made, tier) for tier in Tier]
    await asyncio.gather(*(fill(made, customer, files) for customer in customers))
    played = [await play(made, customer) for customer in customers]
    assert len(SCRIPT) >= REQUESTS_MIN
    for one, *others in zip(*played, strict=True):
        for other in others:
            assert _timeless(one) == _timeless(other), one[0]
    statuses = {status for _, status, _, _ in played[0]}
    assert {200, 201, 204, 400, 404, 405, 409, 422} <= statuses
    assert max(statuses) < 500


async def test_a_refused_row_costs_a_number_only_where_postgresql_counts(
    made: GatewayWorld,
) -> None:
    """The one answer that depends on the tier: a sequence takes nothing back, a counter does."""
    numbers: dict[Tier, int] = {}
    for tier in Tier:
        customer = await make_tenant(made, tier)
        for name, status in (("Jazz", 201), ("Jazz", 409), ("Blues", 201)):
            asked = Asked(method="POST", path="/genres", body={"name": name})
            told = expect(await send(made, customer, asked, asked.path), status)
            numbers[tier] = told.get("genre_id", 0)
    assert numbers == {Tier.ROWS: 2, Tier.SCHEMA: 3, Tier.DATABASE: 3}


async def fill(made: GatewayWorld, customer: Customer, files: Files) -> None:
    for name, content in files.content.items():
        answer = await made.client.post(
            f"/import/{name}", content=content, headers=customer.headers | at(customer.slug)
        )
        expect(answer, 201)


def _cursor_of(answer: Response) -> str | None:
    if not answer.is_success or "json" not in answer.headers.get("content-type", ""):
        return None
    return msgspec.json.decode(answer.content, type=_Page).next


def _timeless(seen: tuple[Asked, int, object, bytes]) -> tuple[int, object, bytes]:
    """Leave out the moment at which an invoice was made: each tier was asked at its own time."""
    _, status, headers, body = seen
    return status, headers, _NOW.sub(b"now", body)
