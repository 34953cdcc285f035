"""The porch in front of every page: only on the site's own address, only from the site's own forms.

Product routes have no porch: they take no cookie, so there is nothing to forge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self, cast

import msgspec
from litestar import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware

from router.errors import NotAllowed, NotFound
from router.gateway.entrance import SAFE_METHODS
from router.gateway.identity import Named
from web.visitor import NO_SUCH_PAGE, Visitor, Web

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

#: What a browser says of where a request comes from, when it may have come from a page of ours.
_OURS: Final = frozenset({"", "same-origin", "none"})


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the pages let browsers do. ``payers`` are the origins to which a paying form leads."""

    payers: tuple[str, ...] = ()
    is_encrypted: bool = False

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return the headers of every page."""
        forms = " ".join(["'self'", *self.payers])
        policy = (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            f"connect-src 'self'; form-action {forms}; frame-ancestors 'none'; base-uri 'none'"
        )
        told = {
            "content-security-policy": policy,
            "x-content-type-options": "nosniff",
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
            # What is on a page is one person's: no cache keeps it, nor the button for going back.
            "cache-control": "no-store",
        }
        if self.is_encrypted:
            told["strict-transport-security"] = "max-age=31536000"
        return [(name.encode(), value.encode()) for name, value in told.items()]


class Porch(ASGIMiddleware):
    """Refuses what no page of ours sent, and gives every page its headers and its visitor."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, web: Web, policy: Policy) -> None:
        self._web = web
        self._headers = policy.headers()

    def __deepcopy__(self, _: object) -> Self:
        # Litestar copies a router with all it holds; the process has one client all the same.
        return self

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        """Let one request through, or refuse it."""
        http = cast("HTTPScope", scope)
        request: Request[Any, Any, Any] = Request(scope, receive)
        http["state"]["visitor"] = Visitor(self._web, request)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                has = {name.lower() for name, _ in message["headers"]}
                more = [each for each in self._headers if each[0] not in has]
                message["headers"] = [*message["headers"], *more]
            await send(message)

        http["state"]["page_headers"] = self._headers
        self._check(http, request)
        await next_app(scope, receive, told)

    def _check(self, scope: HTTPScope, request: Request[Any, Any, Any]) -> None:
        named: Named = scope["state"]["named"]
        if named.slugs or named.domain is not None:
            # The product's pages live there; a log-in form at a tenant's address would be a trap.
            raise NotFound(NO_SUCH_PAGE)
        if scope["method"] in SAFE_METHODS:
            return
        origin = request.headers.get("origin")
        is_ours = origin in {None, self._web.site_url}
        if request.headers.get("sec-fetch-site", "") not in _OURS or not is_ours:
            raise NotAllowed(
                f"this form was sent from another site: open {self._web.site_url} and send it there"
            )
