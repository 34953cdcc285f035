"""The entrance: who is it, which tenant is meant, do they agree, is the caller a member.

Then whether the tenant is paid for and within its limits. All of it before a lease can open, and
from memory: the directory's, and the quota's.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol, Self, cast
from uuid import UUID

import structlog
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware

from router.catalog.roles import Permission
from router.errors import (
    BadRequest,
    IdentityConflict,
    NotAllowed,
    NotAuthenticated,
    NotFound,
    PaymentRequired,
)
from router.gateway.edge import Edge
from router.gateway.identity import Named, could_exist
from router.gateway.loads import Loads
from router.gateway.quota import Unlimited
from router.gateway.replay import Claim, read_key
from router.gateway.transcript import begin
from router.gateway.visit import Visit
from router.words import Mode, Standing

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

    from router.catalog import Catalog
    from router.catalog.credentials import Credential
    from router.dispatch import Dispatch
    from router.gateway.quota import Admission, Quota
    from router.words import Tenant

_REPEATS_MAX = 3
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: One sentence for a tenant that isn't there and for one that is none of the caller's business.
NO_SUCH_TENANT = "there is no such tenant, or you are no member of it"
_UNCOUNTED = Unlimited()


class KnownCredentials(Protocol):
    """What the entrance needs of the directory's credentials."""

    async def resolve(self, token: str) -> Credential | None: ...


class KnownTenants(Protocol):
    """What the entrance needs of the directory: each look-up answers from memory if it can."""

    @property
    def credentials(self) -> KnownCredentials: ...

    async def resolve_slug(self, slug: str) -> Tenant | None: ...
    async def resolve_domain(self, name: str) -> Tenant | None: ...
    async def resolve_id(self, tenant_id: UUID) -> Tenant | None: ...


async def authenticate(scope: HTTPScope, known: KnownTenants) -> Credential:
    """Return the credential of a request; 401 for none and for any that isn't good."""
    token = bearer(scope)
    credential = await known.credentials.resolve(token) if token is not None else None
    if credential is None:
        raise NotAuthenticated("log in, or send an API key, as Authorization: Bearer …")
    return credential


def bearer(scope: HTTPScope) -> str | None:
    """Return the token of the Authorization header, when there is one and only one."""
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(values) != 1 or values[0][:7].lower() != b"bearer ":
        return None
    return values[0][7:].strip().decode("latin-1")


async def find_tenant(named: Named, credential: Credential, known: KnownTenants) -> Tenant:
    """Return the one tenant that a request names and its caller is a member of."""
    found: set[UUID | str] = set()
    tenant: Tenant | None = None
    for slug in named.slugs:
        each = await known.resolve_slug(slug) if could_exist(slug) else None
        found.add(each.id if each else slug)
        tenant = each or tenant
    if named.domain is not None:
        each = await known.resolve_domain(named.domain)
        found.add(each.id if each else named.domain)
        tenant = each or tenant
    if credential.tenant_id is not None:
        found.add(credential.tenant_id)
        tenant = await known.resolve_id(credential.tenant_id) or tenant
    if len(found) > 1:
        raise IdentityConflict("the host, path, header or credential name different tenants")
    if not found:
        raise BadRequest(
            "the request names no tenant: use its address, /t/{slug}/…, X-Tenant, or a credential "
            "of that tenant"
        )
    if tenant is None or credential.role_in(tenant.id) is None:
        raise NotFound(NO_SUCH_TENANT)
    return tenant


class Entrance(ASGIMiddleware):
    """In front of every product route: checks the caller, then stands behind the answer.

    ``catalog`` keeps the transcripts of the staff, who have no way in without it; ``loads`` is told
    what each request took.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(
        self,
        known: KnownTenants,
        dispatch: Dispatch,
        quota: Quota | None = None,
        *,
        catalog: Catalog | None = None,
        loads: Loads | None = None,
    ) -> None:
        self._known = known
        self._dispatch = dispatch
        self._catalog = catalog
        self._quota: Quota = quota or Unlimited()
        self._loads = loads or Loads()

    def __deepcopy__(self, _: object) -> Self:
        # Litestar copies a router with all it holds; the process has one directory all the same.
        return self

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Let one request in, or refuse it."""
        http = cast("HTTPScope", scope)
        credential = await authenticate(http, self._known)
        if credential.access_id is None:
            visit = await self._visit(http, credential)
            await self._serve(
                visit, await self._admit(visit, http), (http, receive, send), next_app
            )
            return
        if self._catalog is None:
            raise NotAllowed("staff have no access here: nobody keeps the transcript")
        transcript = await begin(self._catalog, credential, http)
        try:
            visit = await self._visit(http, credential)
            visit.transcript = transcript
            asked = (http, receive, transcript.in_front_of(send))
            # What our own people look at is no use that the tenant makes of its plan.
            await self._serve(visit, _UNCOUNTED, asked, next_app)
        except Exception as error:
            await transcript.fail(error)
            raise

    async def _admit(self, visit: Visit, scope: HTTPScope) -> Admission:
        tenant, method = visit.tenant, scope["method"]
        admission = self._quota.try_admit(tenant, method, time.monotonic())
        return admission or await self._quota.admit(tenant, method)

    async def _serve(
        self,
        visit: Visit,
        admission: Admission,
        asked: tuple[HTTPScope, Receive, Send],
        next_app: ASGIApp,
    ) -> None:
        http, receive, send = asked
        method = http["method"]
        http["state"]["visit"] = visit
        send = _Told(send, admission)
        try:
            key = read_key(_values(http, b"idempotency-key"))
            if key is not None and method not in SAFE_METHODS:
                visit.claim = Claim(key, http, receive)
                kept = await visit.claim.taken(await visit.lease())
                if kept is not None:
                    await kept.send(send)
                    return
                receive = visit.claim.receive
            repeats = _REPEATS_MAX if method in SAFE_METHODS else 0
            edge = Edge(send, visit, may_repeat=repeats > 0)
            await next_app(http, receive, edge)
            while edge.is_withheld:
                # A migration changed the tables in its midst, and what is safe may be done twice.
                await visit.finish(succeeded=False)
                repeats -= 1
                edge = Edge(send, visit, may_repeat=repeats > 0)
                await next_app(http, receive, edge)
        finally:
            # Nothing is left open, whatever ended the request: an answer, an exception, a caller
            # who left, a deadline.
            admission.release()
            try:
                await visit.finish(succeeded=False)
            finally:
                self._loads.note(visit.tenant.id, visit.busy_ns, visit.waiting_ns)

    async def _visit(self, scope: HTTPScope, credential: Credential) -> Visit:
        tenant = await find_tenant(scope["state"]["named"], credential, self._known)
        role = credential.role_in(tenant.id)
        assert role is not None, "find_tenant() returns no tenant that the caller isn't in"
        structlog.contextvars.bind_contextvars(
            tenant=str(tenant.id), tier=tenant.tier, who=credential.actor
        )
        is_safe = scope["method"] in SAFE_METHODS
        needed = Permission.ROWS_READ if is_safe else Permission.ROWS_WRITE
        if not role.allows(needed):
            raise NotAllowed(f"the role {role.name} may not do that: it lacks {needed}")
        is_read_only = tenant.standing is Standing.READ_ONLY
        if is_read_only and not is_safe:
            raise PaymentRequired(_unpaid(tenant))
        may_write = role.allows(Permission.ROWS_WRITE) and not is_read_only
        return Visit(
            self._dispatch,
            tenant=tenant,
            who=credential.actor,
            role=role.name,
            mode=Mode.WRITE if may_write else Mode.READ,
            request_id=scope["state"]["request_id"],
        )


class _Told:
    """Sends an answer with what is left of the tenant's limits in its headers."""

    __slots__ = ("_admission", "_send")

    def __init__(self, send: Send, admission: Admission) -> None:
        self._send = send
        self._admission = admission

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            told = self._admission.headers(time.monotonic())
            message["headers"] = [*message["headers"], *told]
        await self._send(message)


def _unpaid(tenant: Tenant) -> str:
    since = f" since {tenant.standing_until:%Y-%m-%d}" if tenant.standing_until else ""
    return (
        f"tenant {tenant.slug} may only read{since}: a payment is overdue, or more is stored than "
        "the plan allows; GET /api/billing tells which, and an owner settles it there"
    )


def _values(scope: HTTPScope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
