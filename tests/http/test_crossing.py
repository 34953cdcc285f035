"""Nobody reaches another tenant over HTTP: every route, credential, place and pair of tiers."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec
import pytest
from httpx import Response

from deploy.app import openapi_document
from router.words import Digest, Placement, Tier
from tests.gateways import (
    Customer,
    GatewayWorld,
    at,
    bearer,
    expect,
    make_key,
    make_tenant,
    new_slug,
)
from tests.http.crossing import RANDOM_KEY, Attempt, attempts

CANARY = "canary-7f3a"
VICTIM_KEY = 900_001
AT_ONCE = 8
ATTEMPTS_MIN = 15_000
#: What may be answered to somebody who names a tenant that isn't theirs.
REFUSALS = frozenset({400, 401, 403, 404, 405, 409, 413, 415, 422})
#: Routes that answer everybody, whatever tenant is named.
OPEN = ("/healthz", "/readyz", "/metrics", "/api/login", "/api/signup", "/api/invitations/accept")
_counted: Counter[int] = Counter()


@pytest.fixture(scope="module")
async def victims(made: GatewayWorld) -> AsyncIterator[Mapping[Tier, Customer]]:
    """One tenant in each tier whose rows sing when somebody else sees them."""
    customers = {tier: await make_tenant(made, tier) for tier in Tier}
    for customer in customers.values():
        headers = {**customer.headers, **at(customer.slug)}
        for table in ("artist", "genre", "media_type", "playlist"):
            rows = f"{table}_id,name\n{VICTIM_KEY},{CANARY} {table}\n"
            answer = await made.client.post(f"/import/{table}", content=rows, headers=headers)
            expect(answer, 201)
    before = {tier: await digests(made, each) for tier, each in customers.items()}
    yield customers
    for tier, customer in customers.items():
        assert await digests(made, customer) == before[tier], f"rows of {tier} were changed"


@pytest.fixture(scope="module")
async def attackers(made: GatewayWorld) -> Mapping[Tier, Customer]:
    return {tier: await make_tenant(made, tier) for tier in Tier}


async def digests(made: GatewayWorld, customer: Customer) -> list[Digest]:
    placement = await place_of(made, customer)
    store = made.platform.stores[placement.tier]
    async with store.rows(customer.id, placement) as rows:
        return [each for each in await rows.digests() if each.table != "stepwell_answer"]


async def place_of(made: GatewayWorld, customer: Customer) -> Placement:
    tenant = await made.platform.directory.resolve_id(customer.id)
    assert tenant is not None
    assert tenant.placement is not None
    return tenant.placement


async def credentials(made: GatewayWorld, attacker: Customer) -> dict[str, dict[str, str]]:
    viewer = await make_key(made.client, attacker.token, role="viewer")
    return {
        "owner": bearer(attacker.token),
        "key": bearer(attacker.key),
        "viewer": bearer(viewer),
        "garbage": bearer("stw_s_" + "A" * 43),
        "none": {},
    }


def places(slug: str, attacker: Customer) -> dict[str, tuple[str, dict[str, str]]]:
    """Every way to name a tenant: what goes in front of the path, and which headers."""
    return {
        "host": ("", at(slug)),
        "path": (f"/t/{slug}", {}),
        "header": ("", {"X-Tenant": slug}),
        "two that differ": ("", {**at(slug), "X-Tenant": attacker.slug}),
    }


async def send(
    made: GatewayWorld, attempt: Attempt, prefix: str, headers: dict[str, str]
) -> Response:
    content = attempt.body if isinstance(attempt.body, str) else None
    json = None if content is not None or attempt.body is None else attempt.body
    return await made.client.request(
        attempt.method, prefix + attempt.path, headers=headers, content=content, json=json
    )


@pytest.mark.parametrize("victim_tier", list(Tier))
@pytest.mark.parametrize("attacker_tier", list(Tier))
async def test_no_request_reaches_another_tenant(
    made: GatewayWorld,
    victims: Mapping[Tier, Customer],
    attackers: Mapping[Tier, Customer],
    attacker_tier: Tier,
    victim_tier: Tier,
) -> None:
    victim, attacker = victims[victim_tier], attackers[attacker_tier]
    document = openapi_document()
    aimed = list(attempts(document, key=VICTIM_KEY, tenant=str(victim.id)))
    free = asyncio.Semaphore(AT_ONCE)
    wrong: list[str] = []

    async def one(attempt: Attempt, who: str, headers: dict[str, str], place: str) -> None:
        prefix, naming = places(victim.slug, attacker)[place]
        async with free:
            answer = await send(made, attempt, prefix, {**headers, **naming})
        _counted[answer.status_code] += 1
        is_open = attempt.path.startswith(OPEN)
        if CANARY in answer.text or not (is_open or answer.status_code in REFUSALS):
            wrong.append(f"{who} {place} {attempt.method} {attempt.path}: {answer.status_code}")
        if is_open and answer.status_code >= 500:
            wrong.append(f"{attempt.method} {attempt.path}: {answer.status_code}")

    known = await credentials(made, attacker)
    await asyncio.gather(
        *(
            one(attempt, who, headers, place)
            for attempt in aimed
            for who, headers in known.items()
            for place in places("", attacker)
        )
    )
    assert not wrong, wrong[:20]


@pytest.mark.parametrize("victim_tier", list(Tier))
@pytest.mark.parametrize("attacker_tier", list(Tier))
async def test_a_foreign_key_and_a_random_one_get_equal_answers(
    made: GatewayWorld,
    victims: Mapping[Tier, Customer],
    attacker_tier: Tier,
    victim_tier: Tier,
) -> None:
    assert victims[victim_tier].tier is victim_tier
    attacker = await make_tenant(made, attacker_tier)
    document = openapi_document()
    headers = {**attacker.headers, **at(attacker.slug)}
    foreign = attempts(document, key=VICTIM_KEY, tenant=str(victims[victim_tier].id))
    random = attempts(document, key=RANDOM_KEY, tenant=str(uuid.UUID(int=7)))
    for one, other in zip(foreign, random, strict=True):
        if "{key}" in one.path or str(VICTIM_KEY) not in one.path or one.method == "POST":
            continue
        answers = [await send(made, each, "", headers) for each in (one, other)]
        assert answers[0].status_code == answers[1].status_code, one.path
        assert _told(answers[0], VICTIM_KEY) == _told(answers[1], RANDOM_KEY), one.path
        _counted.update(answer.status_code for answer in answers)


async def test_a_foreign_tenant_and_an_unknown_one_get_equal_answers(
    made: GatewayWorld, victims: Mapping[Tier, Customer], attackers: Mapping[Tier, Customer]
) -> None:
    attacker = attackers[Tier.ROWS]
    for victim in victims.values():
        for who in (attacker.headers, bearer(attacker.key), {}):
            for place in places("", attacker):
                told: list[tuple[int, Any]] = []
                for slug in (victim.slug, new_slug()):
                    prefix, naming = places(slug, attacker)[place]
                    answer = await made.client.get(f"{prefix}/artists", headers={**who, **naming})
                    told.append((answer.status_code, _told(answer, slug)))
                assert told[0] == told[1]


def test_thousands_of_attempts_were_made() -> None:
    assert sum(_counted.values()) >= ATTEMPTS_MIN
    assert not [status for status in _counted if status >= 500]


def _told(answer: Response, echoed: object) -> Any:  # noqa: ANN401 - any JSON
    """What an answer says, without its own id and without what it only repeats."""
    text = answer.text.replace(str(echoed), "<echoed>")
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return {name: each for name, each in document.items() if name != "request_id"}
