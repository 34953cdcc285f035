"""The catalog doesn't answer: what is known is served, what isn't gets 503, nothing is guessed."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import msgspec
import pytest
from httpx import Response

from router.words import Tier
from tests.gateways import (
    PASSWORD,
    Customer,
    Gateway,
    GatewayWorld,
    at,
    bearer,
    expect,
    gateway,
    make_tenant,
    new_slug,
    ops,
    sign_up,
)
from tests.proxy import Proxy, proxied

#: Long enough for a gateway that lost its news to connect again.
BACK_S_MAX = 40.0


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway whose way to the catalog can be cut, and a world beside it whose way can't."""

    made: GatewayWorld
    cut_off: Gateway
    proxy: Proxy


@pytest.fixture(scope="module")
async def line(made: GatewayWorld) -> AsyncIterator[Line]:
    async with contextlib.AsyncExitStack() as stack:
        url = urlsplit(made.settings.database_url)
        proxy = await stack.enter_async_context(proxied(str(url.hostname), int(url.port or 0)))
        place = f"{url.netloc.rpartition('@')[0]}@{proxy.address[0]}:{proxy.address[1]}"
        settings = msgspec.structs.replace(
            made.settings, database_url=urlunsplit(url._replace(netloc=place))
        )
        cut_off = await stack.enter_async_context(gateway(settings))
        yield Line(made=made, cut_off=cut_off, proxy=proxy)


@pytest.fixture(scope="module")
async def customers(line: Line) -> list[Customer]:
    found = [await make_tenant(line.made, tier) for tier in Tier]
    for customer in found:
        for headers in (customer.headers, bearer(customer.key)):
            expect(await line.cut_off.client.get("/artists", headers=headers), 200)
            named = {**headers, **at(customer.slug)}
            expect(await line.cut_off.client.get("/artists", headers=named), 200)
    return found


@contextlib.asynccontextmanager
async def silence(line: Line) -> AsyncGenerator[None]:
    """Cut every connection to the catalog and let no new one through."""
    line.proxy.is_shut = True
    line.proxy.cut()
    try:
        yield
    finally:
        line.proxy.is_shut = False


async def test_what_is_known_is_served_in_every_tier(line: Line, customers: list[Customer]) -> None:
    async with silence(line):
        for customer in customers:
            for headers in (customer.headers, {**bearer(customer.key), **at(customer.slug)}):
                client = line.cut_off.client
                expect(await client.get("/artists", headers=headers), 200)
                expect(await client.post("/artists", json={"name": "X"}, headers=headers), 201)
                told = expect(await client.get("/api/tenant", headers=headers), 200)
                assert (told["slug"], told["usage"]) == (customer.slug, None)
        readiness = await line.cut_off.client.get("/readyz")
        assert expect(readiness, 503)["missing"]
        expect(await line.cut_off.client.get("/healthz"), 200)
    await until_back(line)


async def test_what_is_not_known_gets_503(line: Line, customers: list[Customer]) -> None:
    unmet = await sign_up(line.made.client)
    client = line.cut_off.client
    async with silence(line):
        known = customers[0].headers
        answers = [
            await client.get("/artists", headers=unmet.headers),
            await client.get("/artists", headers={**known, **at(unmet.slug)}),
            await client.get("/artists", headers={**known, **at("no-such-tenant")}),
        ]
        for answer in answers:
            refused(answer)
        malformed = await client.get("/artists", headers=bearer("no token of ours"))
        expect(malformed, 401)
    await until_back(line)
    expect(await client.get("/artists", headers=unmet.headers), 200)


async def test_what_changes_the_catalog_gets_503(line: Line, customers: list[Customer]) -> None:
    client, headers, slug = line.cut_off.client, customers[0].headers, new_slug()
    new = {"email": f"x@{slug}.example", "password": PASSWORD, "company": "x", "slug": slug}
    async with silence(line):
        for path, body, sent in (
            ("/api/signup", new, {}),
            ("/api/signup", new, {"Idempotency-Key": slug}),
            ("/api/login", {"email": customers[0].email, "password": PASSWORD}, {}),
            ("/api/keys", {"name": "x"}, headers),
            ("/api/keys", {"name": "x"}, {**headers, "Idempotency-Key": slug}),
            (f"/api/ops/tenants/{customers[0].slug}/suspend", None, ops()),
        ):
            refused(await client.post(path, json=body, headers=sent))
        for path in ("/api/members", "/api/keys", "/api/usage", "/api/audit"):
            refused(await client.get(path, headers=headers))
        refused(await client.get("/api/ops/tenants", headers=ops()))
    await until_back(line)
    again = await client.post("/api/signup", json=new, headers={"Idempotency-Key": slug})
    expect(again, 201)


async def test_a_change_that_was_missed_is_learned_afterwards(
    line: Line, customers: list[Customer]
) -> None:
    customer = customers[0]
    path = f"/api/ops/tenants/{customer.slug}"
    async with silence(line):
        expect(await line.made.client.post(f"{path}/suspend", headers=ops()), 200)
    async with asyncio.timeout(BACK_S_MAX):
        while (await line.cut_off.client.get("/artists", headers=customer.headers)).is_success:
            await asyncio.sleep(0.05)
    expect(await line.made.client.post(f"{path}/resume", headers=ops()), 200)
    async with asyncio.timeout(BACK_S_MAX):
        while (await line.cut_off.client.get("/artists", headers=customer.headers)).is_error:
            await asyncio.sleep(0.05)


def refused(answer: Response) -> None:
    told = expect(answer, 503)
    assert told["code"] == "catalog_unreachable", told
    assert int(answer.headers["Retry-After"]) > 0
    assert "127.0.0.1" not in answer.text, "where the catalog is, is nobody's business"


async def until_back(line: Line) -> None:
    async with asyncio.timeout(BACK_S_MAX):
        while (await line.cut_off.client.get("/readyz")).status_code != 200:
            await asyncio.sleep(0.05)
