"""Gateways on real sockets, each over a catalog of its own, and the people who use them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import uuid
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec
import uvicorn
from httpx import AsyncClient, Limits, Response, Timeout

from billing.price_list import read_price_list
from deploy.app import create_app
from deploy.fleet_setup import bring_up_to_date, ensure_cluster
from deploy.platform import Platform, running
from deploy.settings import Settings
from deploy.stack.ports import LOOPBACK, free_port
from router.connect import Address, connect, parse_dsn
from router.database import drop_database, make_database
from router.names import random_name
from router.words import Cluster, ClusterRole, Plan, Tier
from tests.worlds import SECRET_KEY, STORE_PRODUCT, Clusters

OPS_TOKEN = "the operators' token of the tests"
PASSWORD = "correct horse battery staple"
SITE = "stepwell.test"
CAPACITY = 10_000
START_S_MAX = 30.0
#: What is told by news is heard at once; without them it would take some minutes.
HEARD_S_MAX = 20.0
_PLANS = {Tier.ROWS: "starter", Tier.SCHEMA: "pro", Tier.DATABASE: "enterprise"}
_numbers = itertools.count(1)


class Customer(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant with what its people and programs show: an owner's token and an owner's key."""

    id: uuid.UUID
    slug: str
    tier: Tier
    email: str
    token: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return bearer(self.token)


class Gateway:
    """One gateway that listens on loopback, and a client that talks to it."""

    def __init__(self, server: uvicorn.Server, port: int, client: AsyncClient) -> None:
        self._server = server
        self.port = port
        self.client = client

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"


class GatewayWorld:
    """A catalog with both clusters in it, and gateways over it."""

    def __init__(self, platform: Platform, settings: Settings) -> None:
        #: A platform of the test's own over the same catalog, to look behind the gateways.
        self.platform = platform
        self.settings = settings
        self.gateways: list[Gateway] = []

    @property
    def client(self) -> AsyncClient:
        """The first gateway's client."""
        return self.gateways[0].client

    @property
    def catalog_address(self) -> Address:
        return self.platform.catalog.address


@contextlib.asynccontextmanager
async def gateway_world(  # noqa: PLR0913 - each keyword is a way in which worlds differ
    clusters: Clusters,
    *,
    product: str = STORE_PRODUCT,
    gateways: int = 1,
    changes: dict[str, Any] | None = None,
    plans: Sequence[Plan] | None = None,
    port: int | None = None,
) -> AsyncGenerator[GatewayWorld]:
    """Build a catalog, a shared database and gateways of their own; ``changes`` are settings.

    A test that hurries more than a customer may gives ``plans`` with room for it. One whose
    browser has to know the address beforehand gives the ``port`` of its only gateway.
    """
    catalog_name, shared_name = random_name("c_"), random_name("w_")
    admin = parse_dsn(clusters.shared.dsn(), name="shared-1")
    settings = _settings(clusters.shared.dsn(catalog_name), product, changes or {})
    connection = await connect(admin, purpose="test")
    await make_database(connection, catalog_name)
    await connection.close()
    try:
        platform = Platform(settings)
        await bring_up_to_date(platform.catalog, plans or read_price_list())
        async with running(platform):
            await _add_clusters(platform, clusters, shared_name)
            async with contextlib.AsyncExitStack() as stack:
                made = GatewayWorld(platform, settings)
                for _ in range(gateways):
                    made.gateways.append(await stack.enter_async_context(gateway(settings, port)))
                yield made
            await _drop_databases_of_tenants(platform)
    finally:
        # Not the connection from before: a test may have killed the server meanwhile.
        connection = await connect(admin, purpose="test")
        await drop_database(connection, shared_name)
        await drop_database(connection, catalog_name)
        await connection.close()


@contextlib.asynccontextmanager
async def gateway(settings: Settings, port: int | None = None) -> AsyncGenerator[Gateway]:
    """Serve the whole application in this process, over a real socket."""
    port = free_port() if port is None else port
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            host=LOOPBACK,
            port=port,
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            timeout_graceful_shutdown=5,
        )
    )
    # Not serve(): that one would take the signals of the test run for itself.
    serving = asyncio.get_running_loop().create_task(server._serve())  # noqa: SLF001 - see above
    try:
        async with asyncio.timeout(START_S_MAX):
            while not server.started:
                if serving.done():
                    await serving
                await asyncio.sleep(0.01)
        async with client_of(port) as client:
            yield Gateway(server, port, client)
    finally:
        server.should_exit = True
        await serving


def client_of(port: int) -> AsyncClient:
    return AsyncClient(
        base_url=f"http://{LOOPBACK}:{port}",
        headers={"Host": SITE},
        timeout=Timeout(60),
        # uvicorn hangs up on whoever was silent for five seconds, perhaps just as a request comes.
        limits=Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=2),
    )


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def ops(reason: str | None = "a test asks for it") -> dict[str, str]:
    given = {} if reason is None else {"X-Reason": reason}
    return {**bearer(OPS_TOKEN), **given}


def at(slug: str) -> dict[str, str]:
    """The Host header of a tenant's own address."""
    return {"Host": f"{slug}.{SITE}"}


def new_slug(prefix: str = "shop") -> str:
    return f"{prefix}-{next(_numbers)}-{uuid.uuid4().hex[:6]}"


async def sign_up(
    client: AsyncClient, slug: str | None = None, *, plan: str = "starter", email: str | None = None
) -> Customer:
    """Sign a new owner up, and give it an API key."""
    slug = slug or new_slug()
    email = email or f"owner@{slug}.example"
    answer = await client.post(
        "/api/signup",
        json={"email": email, "password": PASSWORD, "company": slug, "slug": slug, "plan": plan},
    )
    told = expect(answer, 201)
    return Customer(
        id=uuid.UUID(told["tenant"]["id"]),
        slug=slug,
        tier=Tier(told["tenant"]["tier"]),
        email=email,
        token=told["token"],
        key=await make_key(client, told["token"], role="owner"),
    )


async def prove(made: GatewayWorld, email: str) -> None:
    """Have an account's address proved, as by the letter of its sign-up."""
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.account SET email_verified_at = now() WHERE email = $1", email
        )


async def make_key(client: AsyncClient, token: str, *, role: str) -> str:
    answer = await client.post(
        "/api/keys", json={"name": f"a {role}'s", "role": role}, headers=bearer(token)
    )
    return str(expect(answer, 201)["secret"])


async def make_tenant(made: GatewayWorld, tier: Tier, slug: str | None = None) -> Customer:
    """Make a customer in a tier: by sign-up where one can, else as operators do it."""
    client = made.client
    if tier is not Tier.DATABASE:
        return await sign_up(client, slug, plan=_PLANS[tier])
    slug = slug or new_slug()
    email = f"owner@{slug}.example"
    answer = await client.post(
        "/api/ops/tenants",
        json={"name": slug, "slug": slug, "plan": _PLANS[tier], "owner_email": email},
        headers=ops(),
    )
    told = expect(answer, 202)
    accepted = await client.post(
        "/api/invitations/accept",
        json={"token": told["invitation"]["token"], "password": PASSWORD},
    )
    token = str(expect(accepted, 200)["token"])
    await until_active(client, slug)
    return Customer(
        id=uuid.UUID(told["tenant"]["id"]),
        slug=slug,
        tier=tier,
        email=email,
        token=token,
        key=await make_key(client, token, role="owner"),
    )


async def until_active(client: AsyncClient, slug: str) -> dict[str, Any]:
    async with asyncio.timeout(START_S_MAX):
        while True:
            answer = await client.get(f"/api/ops/tenants/{slug}", headers=ops())
            told = expect(answer, 200)
            if told["status"] == "active":
                return told
            await asyncio.sleep(0.02)


def expect(answer: Response, status: int) -> dict[str, Any]:
    """Return the answer's document, which must come with this status."""
    assert answer.status_code == status, f"{answer.status_code}: {answer.text}"
    told: dict[str, Any] = answer.json() if answer.content else {}
    return told


def _settings(database_url: str, product: str, changes: dict[str, Any]) -> Settings:
    settings = Settings(
        database_url=database_url,
        secret_key=SECRET_KEY.decode(),
        ops_token=OPS_TOKEN,
        base_domain=SITE,
        product=product,
        log_level="warning",
    )
    return msgspec.structs.replace(settings, **changes)


async def _add_clusters(platform: Platform, clusters: Clusters, shared_database: str) -> None:
    for name, role, cluster in (
        ("shared-1", ClusterRole.SHARED, clusters.shared),
        ("dedicated-1", ClusterRole.DEDICATED, clusters.dedicated),
    ):
        admin = parse_dsn(cluster.dsn(), name=name)
        await ensure_cluster(
            platform,
            Cluster(
                name=name,
                role=role,
                region="local",
                capacity=CAPACITY,
                host=admin.host,
                port=admin.port,
                shared_database=shared_database,
            ),
            admin,
        )


async def _drop_databases_of_tenants(platform: Platform) -> None:
    async with platform.catalog.connection() as connection:
        rows = await connection.fetch(
            "SELECT database FROM catalog.placement WHERE tier = 'database'"
        )
    async with platform.fleet.admin("dedicated-1", "postgres") as connection:
        for row in rows:
            await drop_database(connection, row["database"])
