"""Tenants behind a gateway, with rows and people, and every kind of credential to show."""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from datetime import timedelta
from enum import StrEnum
from typing import Any, cast

import msgspec
from httpx import ASGITransport, AsyncClient, Response
from litestar import Litestar

from deploy.app import create_litestar
from deploy.platform import Platform
from router.catalog import sessions, tokens
from router.gateway.gateway import Gateway
from router.gateway.identity import Site
from router.words import Tier
from tests.gateways import (
    OPS_TOKEN,
    SITE,
    Customer,
    GatewayWorld,
    at,
    bearer,
    expect,
    make_key,
    make_tenant,
    ops,
)
from tests.isolation.calls import Document, Names, is_uuid
from tests.isolation.rows import Held, Key, draw_canary, fill
from web.inside import Inside

#: What changes without anybody's doing: calls are counted a second after they were made.
_VOLATILE = frozenset({"last_used_at", "usage", "used", "metrics", "made_at", "request_id"})
#: The town opens sessions of everyone itself. That a resident's own still lives is shown by each
#: call that it is asked with.
_SESSIONS = "/api/sessions"
#: No limit of a plan is to be what keeps an attacker out, or a victim from having a role.
_UNLIMITED = {
    "api_calls_per_month": None,
    "requests_per_second": None,
    "requests_at_once": None,
    "features": ["custom_roles"],
}


class Shown(StrEnum):
    """What the attacker shows as its credential."""

    OWNER = "owner's session"
    KEY = "owner's key"
    VIEWER = "viewer's key"
    UNBOUND = "session in no tenant"
    THEIRS = "the victim's session"
    EXPIRED = "expired session"
    REVOKED = "revoked key"
    GARBAGE = "garbage"
    NONE = "nothing"
    OPERATOR = "operators' token"
    ACCESS = "staff's access to the attacker's rows"


class Resident(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant, its rows, its credentials, and the words that name it or something of it."""

    customer: Customer
    held: Held
    account_id: uuid.UUID
    viewer_key: str
    revoked_key: str
    access_token: str
    words: tuple[str, ...]

    @property
    def slug(self) -> str:
        return self.customer.slug


class Town:
    """A gateway in this very process, and two residents of each tier: one attacks, one suffers."""

    def __init__(self, made: GatewayWorld, client: AsyncClient, document: Document) -> None:
        self.made = made
        self.client = client
        self.document = document
        self.attackers: dict[Tier, Resident] = {}
        self.victims: dict[Tier, Resident] = {}
        self._twins: dict[str, str] = {}

    def over(self, client: AsyncClient) -> Town:
        """Return the same town as another client reaches it."""
        other = Town(self.made, client, self.document)
        other.attackers, other.victims, other._twins = self.attackers, self.victims, self._twins
        return other

    def twin(self, word: str, dice: random.Random) -> str:
        """Return the word that names nothing where the other one names somebody.

        Always the same one: what an attacker made under the one name it made under the other.
        """
        return self._twins.setdefault(word, draw_twin(word, dice))

    async def settle(self, tiers: Iterable[Tier], *, shared: tuple[Key, ...] = (Key.BOTH,)) -> None:
        """Make the residents; the victims have used all of their product by the end."""
        for tier in tiers:
            self.attackers[tier] = await self._resident(tier, (Key.MINE, *shared))
            self.victims[tier] = await self._resident(tier, (Key.THEIRS, *shared))
            await self.walk_about(self.victims[tier])

    async def walk_about(self, resident: Resident) -> None:
        """Read everything there is with one's own ids: whatever remembers, remembers this."""
        names = Names(number=resident.held.keys[0], word=str(resident.customer.id))
        for call in self.document.calls:
            if call.is_safe and not call.is_operators:
                filled = self.document.fill(call, names, 0)
                headers = bearer(resident.customer.token) | at(resident.slug)
                answer = await self.client.get(filled.path, headers=headers)
                assert answer.status_code in {200, 404}, f"{call.name}: {answer.text}"

    async def credential(self, shown: Shown, attacker: Resident, victim: Resident) -> str | None:
        """Draw what the attacker shows; a new session each time, as a call may end one."""
        match shown:
            case Shown.OWNER:
                return await self._session(attacker, attacker.customer.id)
            case Shown.UNBOUND:
                return await self._session(attacker, None)
            case Shown.THEIRS:
                return await self._session(victim, victim.customer.id)
            case Shown.EXPIRED:
                return await self._session(
                    attacker, attacker.customer.id, life=timedelta(seconds=-60)
                )
            case _:
                return {
                    Shown.KEY: attacker.customer.key,
                    Shown.VIEWER: attacker.viewer_key,
                    Shown.REVOKED: attacker.revoked_key,
                    Shown.GARBAGE: tokens.draw_session(),
                    Shown.NONE: None,
                    Shown.OPERATOR: OPS_TOKEN,
                    Shown.ACCESS: attacker.access_token,
                }[shown]

    async def snapshot(self, resident: Resident) -> dict[str, Any]:
        """Return all that the platform and the database hold of a resident."""
        seen: dict[str, Any] = {}
        for call in self.document.calls:
            is_own = call.path.startswith("/api/") and not call.is_operators
            is_asked = call.is_safe and is_own and call.path != _SESSIONS
            if is_asked and not (call.parameters or call.queries):
                headers = bearer(resident.customer.token)
                answer = await self.client.get(call.path, headers=headers)
                seen[call.path] = _steady(told(answer))
        tenant = resident.held.tenant
        assert tenant.placement is not None
        store = self.made.platform.stores[tenant.placement.tier]
        async with store.rows(tenant.id, tenant.placement) as rows:
            seen["rows"] = await rows.digests()
        return seen

    async def restore(self, resident: Resident) -> None:
        """Give a resident the rows back that it began with."""
        tenant = resident.held.tenant
        assert tenant.placement is not None
        store = self.made.platform.stores[tenant.placement.tier]
        async with store.rows(tenant.id, tenant.placement) as rows:
            await rows.delete_all()
        await fill(store, resident.held, self.made.platform.loaded.stored)

    async def _resident(self, tier: Tier, keys: tuple[Key, ...]) -> Resident:
        customer = await make_tenant(self.made, tier)
        canary, token = draw_canary(), customer.token
        for path, body in (
            ("/api/keys", {"name": canary}),
            ("/api/invitations", {"email": f"{canary}@guests.example"}),
        ):
            expect(await self.client.post(path, json=body, headers=bearer(token)), 201)
        path, given = f"/api/ops/tenants/{customer.slug}/limits", {"limits": _UNLIMITED}
        expect(await self.client.post(path, json=given, headers=ops()), 201)
        role = {"permissions": ["rows.read"]}
        expect(await self.client.put(f"/api/roles/{canary}", json=role, headers=bearer(token)), 200)
        tenant = await self.made.platform.directory.resolve_id(customer.id)
        assert tenant is not None
        held = Held(name=customer.slug, tenant=tenant, keys=keys, canary=canary)
        store = self.made.platform.stores[tier]
        await fill(store, held, self.made.platform.loaded.stored)
        members = expect(await self.client.get("/api/members", headers=bearer(token)), 200)
        return Resident(
            customer=customer,
            held=held,
            account_id=uuid.UUID(members["items"][0]["user"]),
            viewer_key=await make_key(self.client, token, role="viewer"),
            revoked_key=await self._revoked(token),
            access_token=await self._entered(customer),
            words=await self._words(customer),
        )

    async def _words(self, customer: Customer) -> tuple[str, ...]:
        """Collect what names the tenant, its members, its keys: whatever it is told of itself."""
        found = {str(customer.id), customer.slug}
        for call in self.document.calls:
            is_own = call.path.startswith("/api/") and not call.is_operators
            if call.is_safe and is_own and not (call.parameters or call.queries):
                answer = await self.client.get(call.path, headers=bearer(customer.token))
                found |= _names_in(told(answer))
        return tuple(sorted(found))

    async def _entered(self, customer: Customer) -> str:
        """Have staff ask to read the rows, and enter."""
        body = {"tenant": customer.slug, "ticket": "T-1", "minutes": 60}
        asked = await self.client.post("/api/ops/access", json=body, headers=ops())
        path = f"/api/ops/access/{expect(asked, 201)['id']}/enter"
        return str(expect(await self.client.post(path, headers=ops()), 200)["token"])

    async def _revoked(self, token: str) -> str:
        key = await make_key(self.client, token, role="owner")
        key_id = tokens.key_id_of(key)
        answer = await self.client.delete(f"/api/keys/{key_id}", headers=bearer(token))
        expect(answer, 204)
        return key

    async def _session(
        self,
        resident: Resident,
        tenant_id: uuid.UUID | None,
        *,
        life: timedelta = timedelta(hours=1),
    ) -> str:
        async with self.made.platform.catalog.connection() as connection:
            opened = await sessions.open_session(
                connection, resident.account_id, tenant_id=tenant_id, life=life
            )
        return opened.token


@contextlib.asynccontextmanager
async def town_of(made: GatewayWorld) -> AsyncGenerator[Town]:
    """Serve the application without a socket: ten times as many requests fit into a second."""
    platform = Platform(made.settings)
    served = create_litestar(platform, Inside())
    gateway = Gateway(served, Site.parse(SITE), deadline_s=60)
    async with _alive(served):
        transport = ASGITransport(app=cast("Callable[..., Awaitable[None]]", gateway))
        async with AsyncClient(transport=transport, base_url=f"http://{SITE}") as client:
            document = expect(await client.get("/openapi.json"), 200)
            yield Town(made, client, Document(document, platform.loaded.product.metadata))


@contextlib.asynccontextmanager
async def _alive(served: Litestar) -> AsyncGenerator[None]:
    """Hold the lifespan open in one task: a fixture's end may come in another one."""
    is_up, is_over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with served.lifespan():
            is_up.set()
            await is_over.wait()

    living = asyncio.get_running_loop().create_task(live())
    waiting = asyncio.get_running_loop().create_task(is_up.wait())
    try:
        await asyncio.wait([living, waiting], return_when=asyncio.FIRST_COMPLETED)
        if living.done():
            await living
        yield
    finally:
        waiting.cancel()
        is_over.set()
        await living


def told(answer: Response) -> dict[str, Any]:
    """Return what is there; of what a tenant hasn't set up, that it isn't there."""
    return expect(answer, answer.status_code if answer.status_code == 404 else 200)


def draw_twin(word: str, dice: random.Random) -> str:
    """Draw a word of the same shape that names nothing: digits for digits, letters for letters."""
    if is_uuid(word):
        drawn = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        # A name that begins with a digit may be refused where another one is looked for.
        return drawn if drawn[0].isdigit() == word[0].isdigit() else draw_twin(word, dice)
    return "".join(_like(each, dice) for each in word)


def _like(character: str, dice: random.Random) -> str:
    if character.isdigit():
        return dice.choice("234567")
    return dice.choice("abcdefghijklmnopqrstuvwxyz") if character.isalpha() else character


def _steady(value: Any) -> Any:  # noqa: ANN401 - any JSON at all
    if isinstance(value, dict):
        return {key: _steady(each) for key, each in value.items() if key not in _VOLATILE}  # pyright: ignore[reportUnknownVariableType]  # any JSON at all
    if isinstance(value, list):
        return [_steady(each) for each in value]  # pyright: ignore[reportUnknownVariableType]  # any JSON at all
    return value


def _names_in(value: Any, key: str = "") -> set[str]:  # noqa: ANN401 - any JSON at all
    if isinstance(value, dict):
        return {word for name, each in value.items() for word in _names_in(each, name)}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # any JSON at all
    if isinstance(value, list):
        return {word for each in value for word in _names_in(each, key)}  # pyright: ignore[reportUnknownVariableType]  # any JSON at all
    is_name = isinstance(value, str) and (is_uuid(value) or key in {"id", "slug"})
    return {value} if is_name else set()
