"""The door in front of every platform route: who is it, may it, was it asked before.

All of it before the body is read, but for requests with an Idempotency-Key, whose body is part of
the question.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Self, TypeAlias, cast

import msgspec
import structlog
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.middleware import ASGIMiddleware
from litestar.routes import HTTPRoute

from router.api.errand import AccountErrand, Errand, MemberErrand
from router.api.parts import Parts
from router.catalog import answers, tokens
from router.catalog.answers import Asked
from router.catalog.credentials import Credential, Staff, StaffRole
from router.catalog.roles import Permission
from router.errors import BadRequest, NotAllowed, NotAuthenticated, PlatformError
from router.gateway.edge import Edge
from router.gateway.entrance import SAFE_METHODS, authenticate, bearer, find_tenant
from router.gateway.replay import KeptAnswer, read_key
from router.gateway.source import source_of

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Receive, ReceiveMessage, Scope, Send

Admit: TypeAlias = Callable[[Parts, "HTTPScope"], Awaitable[Errand]]
#: The route's option that names the permission it takes; None lets every member in.
NEEDS: Final = "needs"
#: The operators' routes: the option that names which of the staff may change something by one.
STAFF: Final = "staff"
OPERATORS_ONLY: Final = frozenset({StaffRole.OPERATOR})
REASON_LENGTH_MAX: Final = 500
AGENT_LENGTH_MAX: Final = 300
#: The name of whoever holds the operators' token: nobody in particular.
TOKEN: Final = "token"  # noqa: S105 - a name, and no secret
_EMAIL_LENGTH_MAX: Final = 254
_log = structlog.get_logger("stepwell.api")


class _Stranger(msgspec.Struct):
    email: str | None = None
    token: str | None = None


async def admit_anyone(parts: Parts, scope: HTTPScope) -> Errand:
    """Let in whoever isn't known yet."""
    return Errand(parts, request_id=_request_id(scope), actor="nobody")


async def admit_account(parts: Parts, scope: HTTPScope) -> Errand:
    """Let in whoever logged in; the request names no tenant, or one of no matter."""
    credential = await authenticate(scope, parts.directory)
    _check_is_no_access(credential)
    if credential.account_id is None:
        raise NotAllowed("an API key belongs to one tenant and can't do that: log in")
    return AccountErrand(
        parts,
        request_id=_request_id(scope),
        credential=credential,
        token=bearer(scope) or "",
    )


async def admit_member(parts: Parts, scope: HTTPScope) -> Errand:
    """Let in a member of the tenant that the request names, if the role allows it."""
    credential = await authenticate(scope, parts.directory)
    _check_is_no_access(credential)
    tenant = await find_tenant(scope["state"]["named"], credential, parts.directory)
    errand = MemberErrand(
        parts, request_id=_request_id(scope), credential=credential, tenant=tenant
    )
    structlog.contextvars.bind_contextvars(tenant=str(tenant.id), tier=tenant.tier)
    needs: Permission | None = scope["route_handler"].opt[NEEDS]
    if needs is not None:
        errand.demand(needs)
    return errand


async def admit_operator(parts: Parts, scope: HTTPScope) -> Errand:
    """Let in an operator, who says why when something is to be changed."""
    staff = await _staff(parts, scope)
    actor = f"operator:{staff.email if staff else TOKEN}"
    errand = Errand(parts, request_id=_request_id(scope), actor=actor)
    errand.staff = staff
    if scope["method"] not in SAFE_METHODS:
        errand.reason = _reason(_values(scope, b"x-reason"))
    return errand


def _check_is_no_access(credential: Credential) -> None:
    """Keep staff's access to what it was asked for: the tenant's rows, by its product's routes.

    Here are its people, keys and payments, and no transcript is kept.
    """
    if credential.access_id is not None:
        raise NotAllowed(
            "staff's access to a tenant opens its product's routes alone: the operators' API and "
            "console have the rest"
        )


async def _staff(parts: Parts, scope: HTTPScope) -> Staff | None:
    """Return who of the staff it is; None for whoever holds the operators' token."""
    token = bearer(scope) or ""
    if tokens.is_session(token):
        credential = await authenticate(scope, parts.directory)
        if credential.staff is not None:
            _check_staff(credential.staff, scope)
            return credential.staff
    shown = hashlib.sha256(token.encode("latin-1")).digest()
    if parts.ops_token_hash is None or not hmac.compare_digest(shown, parts.ops_token_hash):
        raise NotAuthenticated(
            "send the operators' token, or the session of one of the staff, as "
            "Authorization: Bearer …"
        )
    return None


def _check_staff(staff: Staff, scope: HTTPScope) -> None:
    allowed: frozenset[StaffRole] = scope["route_handler"].opt.get(STAFF, OPERATORS_ONLY)
    if scope["method"] not in SAFE_METHODS and staff.role not in allowed:
        raise NotAllowed(f"{staff.email} is {staff.role} of the staff and may not do that")


class Door(ASGIMiddleware):
    """Lets one kind of caller in, and stands behind the answer."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, parts: Parts, admit: Admit) -> None:
        self._parts = parts
        self._admit = admit

    def __deepcopy__(self, _: object) -> Self:
        # Litestar copies a router with all it holds; the process has one catalog all the same.
        return self

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Let one request in, or refuse it."""
        http = cast("HTTPScope", scope)
        if http["method"] == "OPTIONS":
            await _send_methods(http, send)
            return
        errand = await self._admit(self._parts, http)
        errand.source = source_of(http)
        errand.agent = " ".join(_values(http, b"user-agent"))[:AGENT_LENGTH_MAX]
        structlog.contextvars.bind_contextvars(who=errand.actor)
        http["state"]["errand"] = errand
        key = read_key(_values(http, b"idempotency-key"))
        if key is not None and http["method"] not in SAFE_METHODS:
            body = await _read(receive, self._parts.body_bytes_max)
            receive = _Again(body, receive)
            kept = await self._claim(errand, key, http, body)
            if kept is not None:
                await kept.send(send)
                return
        try:
            await next_app(scope, receive, Edge(send, errand))
        except BaseException as error:
            await errand.give_up(error)
            raise
        finally:
            await errand.finish(succeeded=False)
            await self._release(errand)

    async def _claim(
        self, errand: Errand, key: str, scope: HTTPScope, body: bytes
    ) -> KeptAnswer | None:
        actor = _idempotent_actor(errand, body)
        if actor is None:
            return None  # a body that the handler refuses anyway
        told = [scope["method"].encode(), scope["path"].encode(), scope["query_string"]]
        asked = Asked(
            actor=actor,
            key=key,
            fingerprint=hmac.digest(
                self._parts.fingerprint_key, b"\n".join([*told, b"", body]), "sha256"
            ),
        )
        async with self._parts.catalog.connection() as connection:
            answer = await answers.claim(connection, asked, self._parts.sealer)
        if answer is None:
            errand.asked = asked
            return None
        headers = [("content-type", "application/json")] if answer.body else []
        return KeptAnswer(status=answer.status, headers=headers, body=answer.body)

    async def _release(self, errand: Errand) -> None:
        asked, errand.asked = errand.asked, None
        if asked is None:
            return
        try:
            async with self._parts.catalog.connection() as connection:
                await answers.release(connection, asked)
        except PlatformError as error:
            # The claim ends by itself (answers.RUNNING_MAX).
            _log.warning("claim_not_released", reason=error.detail)


class _Again:
    """Gives a body that was read already, once more."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> ReceiveMessage:
        body, self._body = self._body, None
        if body is None:
            return await self._receive()
        return {"type": "http.request", "body": body, "more_body": False}


async def _read(receive: Receive, bytes_max: int) -> bytes:
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise BadRequest("the request ended before its body did")
        parts.append(message["body"])
        if sum(map(len, parts)) > bytes_max:
            raise HTTPException(
                status_code=413, detail=f"the body is larger than {bytes_max} bytes"
            )
        if not message.get("more_body", False):
            return b"".join(parts)


def _idempotent_actor(errand: Errand, body: bytes) -> str | None:
    """Whose keys these are: two callers may draw the same one."""
    if isinstance(errand, MemberErrand):
        return f"{errand.actor} {errand.tenant.id}"
    if errand.actor != "nobody":
        return errand.actor
    try:
        stranger = msgspec.json.decode(body, type=_Stranger)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    # What came by mail says whose request it is as well as an address does.
    about, told = ("email", stranger.email) if stranger.email else ("token", stranger.token)
    if not told:
        return None
    given = told.strip().lower() if about == "email" else told
    digest = hmac.digest(errand.parts.fingerprint_key, given.encode()[:_EMAIL_LENGTH_MAX], "sha256")
    return f"{about}:{digest.hex()}"


async def _send_methods(scope: HTTPScope, send: Send) -> None:
    # Litestar's own answer forgets the methods of all handlers of a path but the first.
    methods = {
        method
        for route in scope["litestar_app"].routes
        if isinstance(route, HTTPRoute) and route.path_format == scope["path_template"]
        for method in route.methods
    }
    allow = ", ".join(sorted({*methods, "HEAD"} if "GET" in methods else methods))
    headers = [(b"allow", allow.encode())]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _reason(values: list[str]) -> str:
    if len(values) != 1 or not values[0].strip():
        raise BadRequest("every change by an operator needs the header X-Reason: say why")
    reason = values[0].strip()
    try:
        # Header values reach us as latin-1; what people write is UTF-8.
        reason = reason.encode("latin-1").decode()
    except UnicodeDecodeError:
        raise BadRequest("the header X-Reason must be UTF-8") from None
    if len(reason) > REASON_LENGTH_MAX or not reason.isprintable():
        raise BadRequest(
            f"the header X-Reason has at most {REASON_LENGTH_MAX} printable characters"
        )
    return reason


def _values(scope: HTTPScope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]


def _request_id(scope: HTTPScope) -> str:
    request_id: str = scope["state"]["request_id"]
    return request_id
