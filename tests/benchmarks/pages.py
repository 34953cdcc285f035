"""How long pages take with a full catalog, one after the other, as a person at a browser asks."""

from __future__ import annotations

import time
from statistics import quantiles
from typing import TYPE_CHECKING
from uuid import UUID

import httpx
from rich.console import Console

from deploy.platform import Platform, running
from deploy.stack.ports import LOOPBACK
from router.catalog import accounts, members, sessions, tenants
from router.words import Tier
from tests.benchmarks.figures import Figure
from tests.benchmarks.world import BenchWorld, Server, slug_of
from tests.gateways import bearer
from tests.web.addresses import Who, addresses, make_move, make_things
from web.visitor import SESSION_COOKIE

if TYPE_CHECKING:
    from router.connect import Connection

PAGE_MS_MAX = 100.0
#: Enough for a p95 with three above it, of each page.
_ASKED_EACH = 60
_WARM_EACH = 3
#: Not measured, beside what has no page of its own: there is no mailbox here, and the audit of the
#: whole installation is recomputed while its reader waits.
_LEFT_OUT = ("/mailbox", "/console/audit/verify")


async def pages(world: BenchWorld, gateway: Server) -> list[Figure]:
    """Ask for every page; the figure that counts is the slowest page's own p95."""
    slug = slug_of(Tier.ROWS, 0)
    operator, owner = await _people(world, slug)
    tokens = {Who.NOBODY: "", Who.OWNER: owner, Who.OPERATOR: operator}
    found: dict[str, float] = {}
    async with httpx.AsyncClient(
        base_url=f"http://{LOOPBACK}:{gateway.port}", headers={"Host": "localhost"}, timeout=30
    ) as client:
        things = await _things(client, slug, operator=operator, owner=owner)
        for who, token in tokens.items():
            for path in addresses(who, things):
                if path not in _LEFT_OUT:
                    found[path] = await _p95_ms(client, path, token)
    slowest = max(found, key=lambda path: found[path])
    Console(stderr=True).print({path: round(value, 1) for path, value in found.items()})
    tenants_all = sum(len(each) for each in world.tokens.values())
    return [
        Figure(
            name=f"p95 of the slowest page, {slowest}, among {tenants_all:,} tenants",
            value=found[slowest],
            unit="ms",
            value_max=PAGE_MS_MAX,
        )
    ]


async def _things(
    client: httpx.AsyncClient, slug: str, *, operator: str, owner: str
) -> dict[str, str]:
    by = {**bearer(operator), "X-Reason": "a measurement"}
    things = await make_things(client, slug, operator=by, owner=bearer(owner))
    move_id = await make_move(client, slug_of(Tier.ROWS, 1), operator=by)
    return {**things, "moves": move_id, "operations": move_id}


async def _p95_ms(client: httpx.AsyncClient, path: str, token: str) -> float:
    took_ms: list[float] = []
    headers = {"Cookie": f"{SESSION_COOKIE}={token}", "Accept": "text/html"} if token else {}
    for turn in range(_WARM_EACH + _ASKED_EACH):
        begun_s = time.perf_counter()
        answer = await client.get(path, headers=headers)
        took_s = time.perf_counter() - begun_s
        if answer.status_code != 200:
            raise SystemExit(f"{path} was answered with {answer.status_code}: {answer.text[:500]}")
        if turn >= _WARM_EACH:
            took_ms.append(took_s * 1_000)
    return quantiles(took_ms, n=20)[-1]


async def _people(world: BenchWorld, slug: str) -> tuple[str, str]:
    """Make an operator and an owner; return their sessions."""
    async with (
        running(Platform(world.settings)) as platform,
        platform.catalog.transaction() as connection,
    ):
        operator = await accounts.create(
            connection, email="operator@stepwell.example", password_hash="nobody logs in by this"
        )
        await connection.execute(
            "UPDATE catalog.account SET staff_role = 'operator' WHERE id = $1", operator.id
        )
        owner = await accounts.create(
            connection, email=f"owner@{slug}.example", password_hash="nobody logs in by this"
        )
        tenant = (await tenants.get(connection, slug)).tenant
        await members.add(connection, tenant.id, owner.id, role="owner")
        return (
            await _session(connection, operator.id, None),
            await _session(connection, owner.id, tenant.id),
        )


async def _session(connection: Connection, account_id: UUID, tenant_id: UUID | None) -> str:
    opened = await sessions.open_session(connection, account_id, tenant_id=tenant_id)
    return opened.token
