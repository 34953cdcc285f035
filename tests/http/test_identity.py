"""Which tenant a request names, in how many ways, and what is told to whom."""

from __future__ import annotations

import asyncio
import itertools
import socket

import pytest

from tests.gateways import (
    HEARD_S_MAX,
    SITE,
    Customer,
    Gateway,
    GatewayWorld,
    at,
    bearer,
    expect,
    new_slug,
    ops,
    sign_up,
)

#: The places where a request can name a tenant, beside its credential.
PLACES = ("host", "path", "header", "domain")
ROUTES = ("/api/tenant", "/artists")


def domain_of(customer: Customer) -> str:
    return f"www.{customer.slug}.example"


@pytest.fixture(scope="module")
async def pair(made: GatewayWorld) -> tuple[Customer, Customer]:
    """Two tenants of one owner, each with a domain of its own."""
    first = await sign_up(made.client)
    second = await sign_up(made.client, email=first.email)
    for customer in (first, second):
        async with made.platform.catalog.transaction() as connection:
            await connection.execute(
                "INSERT INTO catalog.domain (name, tenant_id, verified_at) VALUES ($1, $2, now())",
                domain_of(customer),
                customer.id,
            )
    return first, second


@pytest.fixture(scope="module")
async def unbound(made: GatewayWorld, pair: tuple[Customer, Customer]) -> dict[str, str]:
    """The owner's log-in, which names no tenant by itself."""
    body = {"email": pair[0].email, "password": "correct horse battery staple"}
    told = expect(await made.client.post("/api/login", json=body), 200)
    return bearer(told["token"])


def named(path: str, where: dict[str, str]) -> tuple[str, dict[str, str]]:
    """Spell a request that names a slug or domain in each of some places."""
    headers: dict[str, str] = {}
    for place, name in where.items():
        match place:
            case "host":
                headers |= at(name)
            case "domain":
                headers["Host"] = f"www.{name}.example"
            case "header":
                headers["X-Tenant"] = name
            case _:
                path = f"/t/{name}{path}"
    return path, headers


def pairs_of_places() -> list[tuple[str, str]]:
    # A request has one host: it is a tenant's address or its domain.
    return [pair for pair in itertools.combinations(PLACES, 2) if set(pair) != {"host", "domain"}]


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("place", PLACES)
async def test_each_place_names_a_tenant(
    made: GatewayWorld,
    pair: tuple[Customer, Customer],
    unbound: dict[str, str],
    place: str,
    route: str,
) -> None:
    for customer in pair:
        path, headers = named(route, {place: customer.slug})
        answer = await made.client.get(path, headers={**unbound, **headers})
        told = expect(answer, 200)
        assert told.get("slug", customer.slug) == customer.slug


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("places", pairs_of_places())
async def test_two_places_must_agree(
    made: GatewayWorld,
    pair: tuple[Customer, Customer],
    unbound: dict[str, str],
    places: tuple[str, str],
    route: str,
) -> None:
    first, second = pair
    path, headers = named(route, dict.fromkeys(places, first.slug))
    expect(await made.client.get(path, headers={**unbound, **headers}), 200)
    for other in (second.slug, "no-such-tenant"):
        path, headers = named(route, dict(zip(places, (first.slug, other), strict=True)))
        answer = await made.client.get(path, headers={**unbound, **headers})
        assert expect(answer, 400)["code"] == "identity_conflict"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["token", "key"])
async def test_a_credential_must_agree_with_the_place(
    made: GatewayWorld, pair: tuple[Customer, Customer], kind: str, place: str, route: str
) -> None:
    first, second = pair
    credential = bearer(first.token if kind == "token" else first.key)
    path, headers = named(route, {place: first.slug})
    expect(await made.client.get(path, headers={**credential, **headers}), 200)
    for other in (second.slug, "no-such-tenant"):
        path, headers = named(route, {place: other})
        answer = await made.client.get(path, headers={**credential, **headers})
        assert expect(answer, 400)["code"] == "identity_conflict"


async def test_three_places_that_agree_are_fine(
    made: GatewayWorld, pair: tuple[Customer, Customer]
) -> None:
    customer = pair[0]
    slug = customer.slug
    path, headers = named("/api/tenant", {"host": slug, "path": slug.upper(), "header": slug})
    expect(await made.client.get(path, headers={**customer.headers, **headers}), 200)


@pytest.mark.parametrize("route", [*ROUTES, "/api/members", "/artists/1"])
@pytest.mark.parametrize("place", PLACES)
async def test_a_foreign_tenant_looks_like_none(
    made: GatewayWorld, unbound: dict[str, str], place: str, route: str
) -> None:
    """Byte by byte, but for the request's own id."""
    foreign = await sign_up(made.client)
    told: list[bytes] = []
    for slug in (foreign.slug, new_slug(), "www", "no--slug"):
        path, headers = named(route, {place: slug})
        sent = {**unbound, **headers, "X-Request-Id": "the-same"}
        answer = await made.client.get(path, headers=sent)
        assert answer.status_code == 404, answer.text
        told.append(answer.content)
    assert set(told) == {told[0]}


@pytest.mark.parametrize("route", [*ROUTES, "/api/members", "/artists/1"])
@pytest.mark.parametrize("place", PLACES)
async def test_nothing_is_told_without_a_credential(
    made: GatewayWorld, shop: Customer, place: str, route: str
) -> None:
    told: list[bytes] = []
    for slug in (shop.slug, "no-such-tenant"):
        path, headers = named(route, {place: slug})
        answer = await made.client.get(path, headers={**headers, "X-Request-Id": "the-same"})
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        told.append(answer.content)
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "Bearer stw_s_" + "A" * 43,
        "Bearer stw_k_" + "a" * 16 + "." + "A" * 43,
        "Bearer " + "x" * 5_000,
        "Bearer ü",
        "Bearer a b",
        "Token {token}",
        "{token}",
        "Bearer {token}x",
        "Bearer {token} {token}",
    ],
)
async def test_a_wrong_credential_is_none(made: GatewayWorld, shop: Customer, value: str) -> None:
    sent = [(b"Authorization", value.format(token=shop.token).strip().encode())]
    for route in ROUTES:
        told = expect(await made.client.get(route, headers=sent), 401)
        assert told["code"] == "not_authenticated"


async def test_two_credentials_are_none(made: GatewayWorld, shop: Customer) -> None:
    sent = [("Authorization", f"Bearer {shop.token}")] * 2
    expect(await made.client.get("/api/tenant", headers=sent), 401)


async def test_an_old_slug_still_leads_to_its_tenant(made: GatewayWorld) -> None:
    customer = await sign_up(made.client)
    renamed = new_slug("renamed")
    async with made.platform.catalog.transaction() as connection:
        await connection.execute(
            "UPDATE catalog.slug SET is_current = false WHERE slug = $1", customer.slug
        )
        await connection.execute(
            "INSERT INTO catalog.slug (slug, tenant_id, is_current) VALUES ($1, $2, true)",
            renamed,
            customer.id,
        )
        await connection.execute(
            "UPDATE catalog.tenant SET slug = $1 WHERE id = $2", renamed, customer.id
        )
    path, headers = named("/api/tenant", {"host": customer.slug, "path": renamed})
    async with asyncio.timeout(HEARD_S_MAX):
        while True:
            answer = await made.client.get(path, headers={**customer.headers, **headers})
            if answer.status_code == 200 and answer.json()["slug"] == renamed:
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/t/{slug}/api/tenant", 200),
        ("/t/{slug}/api/tenant/", 200),
        ("/t/{slug}/artists?limit=1", 200),
        ("/t/%{hex}{rest}/api/tenant", 200),
        ("/t/{slug}%2Fapi%2Ftenant", 200),
        ("/t/%25{hex}{rest}/api/tenant", 400),
        ("/t//api/tenant", 400),
        ("/t/", 404),
        ("/t", 404),
        ("/t/{slug}", 404),
        ("/t/{slug}/t/{slug}/api/tenant", 404),
        ("/t/{slug}/no/such/route", 404),
        ("/T/{slug}/api/tenant", 404),
        ("//t/{slug}/api/tenant", 404),
        ("/t/../api/tenant", 400),
        ("/t/{slug}%00/api/tenant", 400),
        ("/t/%ff%fe/api/tenant", 400),
        ("/t/" + "x" * 5_000 + "/api/tenant", 400),
        ("/t/ü/api/tenant", 400),
    ],
)
async def test_the_path_prefix_in_odd_spellings(
    made: GatewayWorld, shop: Customer, path: str, status: int
) -> None:
    """A bound token beside a slug that can't be names two tenants: 400 and not 404."""
    target = path.format(slug=shop.slug, hex=f"{ord(shop.slug[0]):x}", rest=shop.slug[1:])
    line = await asked_raw(
        made.gateways[0], target, {"Host": SITE, "Authorization": f"Bearer {shop.token}"}
    )
    assert line.split(" ")[1] == str(status), line


@pytest.mark.parametrize(
    "host",
    [
        "",
        " ",
        "..",
        ".stepwell.test",
        "stepwell.test:x",
        "stepwell.test:99999",
        "a b.stepwell.test",
        "a_b!.example",
        "x" * 300 + ".example",
        "exa\xfcmple.example",
        "[::1",
        "[::g]",
        "[",
        "stepwell.test:" + "9" * 5_000,
        "a..b.example",
    ],
)
async def test_a_malformed_host_is_never_a_failure_of_ours(
    made: GatewayWorld, shop: Customer, host: str
) -> None:
    headers = {"Host": host, "Authorization": f"Bearer {shop.token}"}
    line = await asked_raw(made.gateways[0], "/api/tenant", headers)
    assert line.split(" ")[1] in {"400", "404"}, line


async def test_two_hosts_or_none_are_refused(made: GatewayWorld) -> None:
    gateway = made.gateways[0]
    for head in (f"Host: {SITE}\r\nHost: {SITE}\r\n", "X: y\r\n"):
        line = await exchange(gateway, f"GET /healthz HTTP/1.1\r\n{head}".encode("latin-1"))
        assert line.split(" ")[1] == "400", line


async def test_two_tenant_headers_that_differ_are_refused(
    made: GatewayWorld, shop: Customer
) -> None:
    sent = [*shop.headers.items(), ("X-Tenant", shop.slug), ("X-Tenant", "other")]
    expect(await made.client.get("/api/tenant", headers=sent), 400)


async def test_a_domain_leads_nowhere_before_it_is_verified(
    made: GatewayWorld, shop: Customer
) -> None:
    name = f"{new_slug('proof')}.example"
    async with made.platform.catalog.transaction() as connection:
        await connection.execute(
            "INSERT INTO catalog.domain_claim (name, tenant_id, token, expires_at) "
            "VALUES ($1, $2, 'x', now())",
            name,
            shop.id,
        )
    answer = await made.client.get("/api/tenant", headers={**shop.headers, "Host": name})
    expect(answer, 400)
    expect(await made.client.get(f"/api/ops/tenants/{shop.slug}", headers=ops()), 200)


async def asked_raw(gateway: Gateway, target: str, headers: dict[str, str]) -> str:
    """Send a request that a well-behaved client would not, and return the status line."""
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return await exchange(gateway, f"GET {target} HTTP/1.1\r\n{head}".encode())


async def exchange(gateway: Gateway, head: bytes) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, family=socket.AF_INET)
    try:
        writer.write(head + b"Connection: close\r\n\r\n")
        line = await asyncio.wait_for(reader.readline(), 20)
        await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    return line.decode("latin-1")
