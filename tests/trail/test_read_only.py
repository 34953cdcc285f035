"""Who may only read: the database says so too, whatever a product's GET does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, cast

import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar, Router
from litestar.di import Provide

from router.gateway.entrance import Entrance
from router.gateway.gateway import Gateway
from router.gateway.identity import Site
from router.gateway.problems import answer
from router.gateway.visit import lease_of, session_of
from router.words import Mode, Tier
from tests.gateways import (
    HEARD_S_MAX,
    PASSWORD,
    SITE,
    Customer,
    GatewayWorld,
    bearer,
    expect,
    make_key,
    make_tenant,
    sign_up,
)

if TYPE_CHECKING:
    from litestar.types import HTTPScope

    from router.catalog.credentials import Credential
    from router.gateway.visit import Visit

WRITES = ("/scribbled/x", "/dashed/x", "/kept/x")


@pytest.mark.parametrize("tier", list(Tier))
async def test_a_viewer_writes_nothing_by_a_route_that_writes_at_a_get(
    made: GatewayWorld, homes: dict[Tier, Customer], tier: Tier
) -> None:
    tenant = homes[tier]
    viewer = bearer(await make_key(made.client, tenant.token, role="viewer"))
    for path in WRITES:
        refused = expect(await made.client.get(path, headers=viewer), 403)
        assert refused["code"] == "read_only", path
    assert (await made.client.get("/escalated", headers=viewer)).is_error
    assert await written(made.client, tenant) == 0


async def test_without_the_read_only_lease_a_viewer_writes(made: GatewayWorld) -> None:
    tenant = await make_tenant(made, Tier.ROWS)
    viewer = bearer(await make_key(made.client, tenant.token, role="viewer"))
    async with careless(made) as client:
        for path in WRITES:
            assert (await client.get(path, headers=viewer)).status_code == 200, path
    assert await written(made.client, tenant) == len(WRITES)


async def test_a_custom_role_holds_for_rows_and_changes_everywhere_at_once(
    made: GatewayWorld,
) -> None:
    tenant = await sign_up(made.client, plan="pro")
    await put_role(made, tenant, "reader", "rows.read")
    await put_role(made, tenant, "writer", "rows.write")
    reader = bearer(await make_key(made.client, tenant.token, role="reader"))
    writer = bearer(await make_key(made.client, tenant.token, role="writer"))
    for gateway in made.gateways:
        assert await tried(gateway.client, reader) == (200, 403, 403)
        # Who may write and not read learns nothing by reading; what it wrote it is told.
        assert await tried(gateway.client, writer) == (403, 201, 403)
    await put_role(made, tenant, "reader", "rows.read", "rows.write")
    await put_role(made, tenant, "writer")
    async with asyncio.timeout(HEARD_S_MAX):
        for gateway in made.gateways:
            while await tried(gateway.client, reader) != (200, 201, 200):
                await asyncio.sleep(0.05)
            while await tried(gateway.client, writer) != (403, 403, 403):
                await asyncio.sleep(0.05)


async def test_a_role_in_one_tenant_is_none_in_another(made: GatewayWorld) -> None:
    own, other = await sign_up(made.client), await sign_up(made.client)
    await admit(made, other, own.email, "viewer")
    stranger = await sign_up(made.client)
    told = await made.client.post("/api/login", json={"email": own.email, "password": PASSWORD})
    person = bearer(expect(told, 200)["token"])
    for tenant, statuses in ((own, (200, 201, 200)), (other, (200, 403, 403))):
        named = {**person, "X-Tenant": tenant.slug}
        assert await tried(made.client, named) == statuses
        switched = await made.client.post(
            "/api/switch", json={"tenant": tenant.slug}, headers=person
        )
        assert await tried(made.client, bearer(expect(switched, 200)["token"])) == statuses
    assert await tried(made.client, {**person, "X-Tenant": stranger.slug}) == (404, 404, 404)
    # The key of one tenant is no way into another that its maker is a member of.
    assert await tried(made.client, {**bearer(own.key), "X-Tenant": other.slug}) == (400, 400, 400)


async def tried(client: AsyncClient, headers: dict[str, str]) -> tuple[int, int, int]:
    """Read, write, and write by a GET."""
    read = await client.get("/notes", headers=headers)
    wrote = await client.post("/notes", json={"text": "x", "tags": []}, headers=headers)
    scribbled = await client.get("/scribbled/x", headers=headers)
    return read.status_code, wrote.status_code, scribbled.status_code


async def put_role(made: GatewayWorld, tenant: Customer, name: str, *permissions: str) -> None:
    answer = await made.client.put(
        f"/api/roles/{name}", json={"permissions": [*permissions]}, headers=tenant.headers
    )
    expect(answer, 200)


async def admit(made: GatewayWorld, tenant: Customer, email: str, role: str) -> None:
    """Have somebody who has an account join a tenant."""
    asked = {"email": email, "role": role}
    invited = await made.client.post("/api/invitations", json=asked, headers=tenant.headers)
    token = expect(invited, 201)["token"]
    body = {"token": token, "password": PASSWORD}
    expect(await made.client.post("/api/invitations/accept", json=body), 200)


async def written(client: AsyncClient, tenant: Customer) -> int:
    told: list[Any] = (await client.get("/notes", headers=tenant.headers)).json()
    return len(told)


@contextlib.asynccontextmanager
async def careless(made: GatewayWorld) -> AsyncGenerator[AsyncClient]:
    """Lend a gateway that checks roles at the door, and leaves the database to the product."""

    class Careless(Entrance):
        async def _visit(self, scope: HTTPScope, credential: Credential) -> Visit:
            visit = await super()._visit(scope, credential)
            visit.mode = Mode.WRITE
            return visit

    platform = made.platform
    product = Router(
        path="/",
        route_handlers=list(platform.loaded.product.routes),
        middleware=[Careless(platform.directory, platform.dispatch)],
        dependencies={"lease": Provide(lease_of), "session": Provide(session_of)},
    )
    app = Litestar(
        [product], exception_handlers={Exception: answer}, logging_config=None, openapi_config=None
    )
    gateway = Gateway(app, Site.parse(SITE), deadline_s=60)
    transport = ASGITransport(cast("Any", gateway))
    async with AsyncClient(transport=transport, base_url=f"http://{SITE}") as client:
        yield client
