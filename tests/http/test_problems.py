"""What is wrong with a request is said in a problem document, and is never a failure of ours."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import Response

from tests.gateways import (
    PASSWORD,
    SITE,
    Customer,
    GatewayWorld,
    expect,
    gateway_world,
    new_slug,
    sign_up,
)
from tests.http.test_identity import exchange
from tests.worlds import Clusters

LINK = re.compile(rb"https?://(?!127\.0\.0\.1)[a-z0-9.]+")


def problem(answer: Response, status: int) -> dict[str, Any]:
    """Return the problem document, which must have its shape."""
    told = expect(answer, status)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert told.keys() >= {"type", "title", "status", "detail", "request_id"}
    assert told["status"] == status
    assert told["request_id"] == answer.headers["X-Request-Id"]
    assert "Traceback" not in answer.text
    return told


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/no/such/route"),
        ("GET", "/nothing"),
        ("POST", "/nothing"),
        ("GET", "/api"),
        ("GET", "/api/nothing"),
        ("GET", "/api/ops/nothing"),
        ("DELETE", "/api/members/not-an-id"),
        ("GET", "/api/ops/operations/not-an-id"),
        ("GET", "/webhooks"),
        ("POST", "/webhooks/stripe"),
        ("GET", "/artists/not-a-number"),
        ("GET", "/%00"),
        ("GET", "/..%2f..%2fetc%2fpasswd"),
        ("GET", "/" + "x" * 8_000),
    ],
)
async def test_an_unknown_path_is_a_problem(
    made: GatewayWorld, shop: Customer, method: str, path: str
) -> None:
    problem(await made.client.request(method, path, headers=shop.headers), 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/tenant"),
        ("GET", "/api/signup"),
        ("GET", "/webhooks/stripe"),
        ("DELETE", "/artists"),
        ("TRACE", "/artists"),
    ],
)
async def test_a_method_that_is_not_there_is_a_problem(
    made: GatewayWorld, shop: Customer, method: str, path: str
) -> None:
    answer = await made.client.request(method, path, headers=shop.headers)
    problem(answer, 405)
    assert answer.headers["Allow"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"5",
        b"\xff\xfe",
        b'{"email": "\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"email": "a@a.example", "password": NaN}',
        b"email=a&password=b",
        b'{"email": "a@a.example"} {"password": "x"}',
    ],
)
@pytest.mark.parametrize("path", ["/api/signup", "/api/login", "/api/keys", "/artists"])
@pytest.mark.parametrize("key", [None, "a-key"])
async def test_a_body_that_is_no_document_is_refused(
    made: GatewayWorld, shop: Customer, path: str, body: bytes, key: str | None
) -> None:
    headers = {**shop.headers, "Content-Type": "application/json"}
    if key is not None:
        headers["Idempotency-Key"] = new_slug(key)
    answer = await made.client.post(path, content=body, headers=headers)
    problem(answer, 422 if answer.status_code == 422 else 400)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "x", ""])
async def test_another_content_type_makes_no_failure(
    made: GatewayWorld, shop: Customer, kind: str
) -> None:
    body = json.dumps({"name": "typed"}).encode()
    headers = {**shop.headers, "Content-Type": kind}
    answer = await made.client.post("/api/keys", content=body, headers=headers)
    assert answer.status_code in {201, 400, 415, 422}, answer.text


async def test_a_field_that_nobody_knows_is_named(made: GatewayWorld, shop: Customer) -> None:
    answer = await made.client.post(
        "/api/keys", json={"name": "x", "tenant_id": str(shop.id)}, headers=shop.headers
    )
    assert "tenant_id" in json.dumps(problem(answer, 422))


async def test_every_refusal_has_its_shape(made: GatewayWorld, shop: Customer) -> None:
    problem(await made.client.get("/api/tenant"), 401)
    problem(await made.client.get("/api/tenant", headers={"Host": "no host"}), 400)
    stranger = await sign_up(made.client)
    path = f"/t/{shop.slug}/api/tenant"
    told = problem(await made.client.get(path, headers=stranger.headers), 400)
    assert told["type"] == "urn:stepwell:identity_conflict"
    problem(await made.client.post("/api/login", json={"email": "x@x.example"}), 422)


async def test_a_request_has_an_id(made: GatewayWorld) -> None:
    given = await made.client.get("/healthz", headers={"X-Request-Id": "mine-1.2_3"})
    assert given.headers["X-Request-Id"] == "mine-1.2_3"
    drawn = {
        (await made.client.get("/healthz", headers={"X-Request-Id": wrong})).headers["X-Request-Id"]
        for wrong in ("", "x" * 65, "a b", "<script>")
    }
    assert len(drawn) == 4
    assert all(re.fullmatch(r"[0-9a-f]{16}", each) for each in drawn)


async def test_head_is_get_without_a_body(made: GatewayWorld, shop: Customer) -> None:
    for path in ("/healthz", "/api/tenant", "/artists", "/docs", "/openapi.json"):
        got = await made.client.get(path, headers=shop.headers)
        head = await made.client.head(path, headers=shop.headers)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["Content-Type"] == got.headers["Content-Type"]
    problem_head = await made.client.head("/api/tenant")
    assert (problem_head.status_code, problem_head.content) == (401, b"")


async def test_options_tells_the_methods_of_a_platform_route(made: GatewayWorld) -> None:
    answer = await made.client.options("/api/keys")
    expect(answer, 204)
    assert {"GET", "POST"} <= set(answer.headers["Allow"].replace(" ", "").split(","))
    problem(await made.client.options("/artists"), 401)


async def test_a_large_body_is_refused_everywhere_but_in_imports(clusters: Clusters) -> None:
    async with gateway_world(clusters, changes={"body_bytes_max": 1_000}) as small:
        customer = await sign_up(small.client)
        body = json.dumps({"name": "x" * 2_000}).encode()
        for path, key in (
            ("/api/keys", {}),
            ("/api/keys", {"Idempotency-Key": "large"}),
            ("/artists", {}),
            ("/api/login", {}),
            ("/api/login", {"Idempotency-Key": "large"}),
        ):
            headers = {**customer.headers, "Content-Type": "application/json", **key}
            problem(await small.client.post(path, content=body, headers=headers), 413)
            problem(await small.client.post(path, content=pieces(body), headers=headers), 413)
        rows = "".join(f"{number},Name {number}\n" for number in range(1, 500))
        answer = await small.client.post(
            "/import/artist",
            content=f"artist_id,name\n{rows}".encode(),
            headers={**customer.headers, "Content-Type": "text/csv"},
        )
        assert answer.status_code in {200, 201}, answer.text


async def test_a_caller_who_leaves_in_mid_body_keeps_nothing(
    made: GatewayWorld, shop: Customer
) -> None:
    head = (
        f"POST /api/keys HTTP/1.1\r\nHost: {SITE}\r\nAuthorization: Bearer {shop.token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 500\r\nIdempotency-Key: cut\r\n\r\n"
        '{"name": "cut'
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", made.gateways[0].port)
    writer.write(head.encode())
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.transport.abort()
    del reader
    body, headers = {"name": "whole"}, {**shop.headers, "Idempotency-Key": "cut"}
    expect(await made.client.post("/api/keys", json=body, headers=headers), 201)


async def test_what_is_no_request_is_refused_by_the_server(made: GatewayWorld) -> None:
    line = await exchange(made.gateways[0], b"NONSENSE\r\n")
    assert line.split(" ")[1] == "400"


async def test_the_document_describes_every_failure(made: GatewayWorld) -> None:
    document = expect(await made.client.get("/openapi.json"), 200)
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            where = f"{verb} {path}"
            failure = operation["responses"]["default"]["content"]
            assert list(failure) == ["application/problem+json"], where
            assert operation["summary"], where
            if path.startswith("/api/") and path not in {
                "/api/signup",
                "/api/login",
                "/api/login/passkey",
                "/api/login/passkey/options",
                "/api/sso/start",
                "/api/sso/finish",
                "/api/invitations/accept",
                "/api/invitations/show",
                "/api/accounts",
                "/api/accounts/resend",
                "/api/accounts/verify",
                "/api/password/forgot",
                "/api/password/reset",
                "/api/plans",
                "/api/billing/return",
            }:
                assert operation["security"] == [{"bearer": []}], where


async def test_the_page_lists_every_call_and_asks_nobody(made: GatewayWorld) -> None:
    document = expect(await made.client.get("/openapi.json"), 200)
    page = await made.client.get("/docs")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for path, item in document["paths"].items():
        assert f"<code>{path}</code>" in page.text
        for operation in item.values():
            assert operation["summary"].replace("'", "&#x27;") in page.text
    assert b"<script" not in page.content
    assert LINK.search(page.content) is None


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/healthz", "/readyz"])
async def test_what_all_may_read_asks_for_no_credential(made: GatewayWorld, path: str) -> None:
    assert (await made.client.get(path)).status_code == 200


async def test_a_password_is_in_no_answer_and_in_no_row(made: GatewayWorld) -> None:
    slug, password = new_slug(), PASSWORD + " of nobody else"
    body = {"email": f"p@{slug}.example", "password": password, "company": "A", "slug": slug}
    answer = await made.client.post("/api/signup", json=body, headers={"Idempotency-Key": slug})
    expect(answer, 201)
    assert password not in answer.text
    async with made.platform.catalog.connection() as connection:
        for query in (
            "SELECT a::text AS row FROM catalog.account AS a",
            "SELECT a::text AS row FROM catalog.answer AS a",
            "SELECT a::text AS row FROM catalog.audit AS a",
            "SELECT o::text AS row FROM catalog.operation AS o",
        ):
            for row in await connection.fetch(query):
                assert password not in row["row"], query
                assert password.encode().hex() not in row["row"], query


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 300):
        yield body[start : start + 300]
