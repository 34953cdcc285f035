"""The visitor: whose browser it is, which workspace it is in, and how a page is answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import quote, unquote, urlencode

import httpx
import msgspec
from litestar import Request
from litestar.datastructures import Cookie
from litestar.response import Redirect, Template
from litestar.types import Scope

from router.api.access import AccessSeen
from router.api.me import Me
from router.api.onmoves import OwnMove
from router.api.shapes import List
from router.api.tenant import TenantWhole
from router.catalog.access_words import Entered
from router.catalog.credentials import StaffRole
from router.catalog.move_words import MoveState
from router.errors import NotAllowed, NotFound
from router.names import is_slug
from web.api import Api, Refused
from web.banners import Banner, banners, banners_of_accesses
from web.entered import ACCESS_COOKIE, read_entered, spell_entered
from web.form import EMPTY, Form

#: The prefix makes browsers take these from this very host only, over TLS (or on loopback).
SESSION_COOKIE = "__Host-stepwell"
SAID_COOKIE = "__Host-stepwell-said"
SAID_LENGTH_MAX = 500
SAID_S_MAX = 60
NO_SUCH_PAGE = "there is no such page, or none that you may see"


class Web(msgspec.Struct, frozen=True, kw_only=True):
    """What all pages of a process share."""

    client: httpx.AsyncClient
    site_url: str
    base_domain: str
    product: str
    #: What was mailed can be read here: on a developer's own machine.
    has_mailbox: bool = False


class ToLogIn(Exception):
    """Nobody is logged in: the visitor does that first, and comes back to ``path``."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class ToSwitch(Exception):
    """The session is in another workspace than the page, and the visitor is a member of both."""

    def __init__(self, me: Me, slug: str, path: str) -> None:
        super().__init__(slug)
        self.me = me
        self.slug = slug
        self.path = path


class ToNewAddress(Exception):
    """The workspace has another slug by now: the page is at ``path``."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


class Visitor:
    """One request of one browser."""

    def __init__(self, web: Web, request: Request[Any, Any, Any]) -> None:
        client = request.client
        self.web = web
        self.path: str = request.scope["path"]
        query = request.scope["query_string"].decode("latin-1")
        self.address = self.path + (f"?{query}" if query else "")
        self.token = request.cookies.get(SESSION_COOKIE) or None
        self.said = unquote(request.cookies.get(SAID_COOKIE, ""))[:SAID_LENGTH_MAX] or None
        self.api = Api(
            web.client,
            token=self.token,
            address=None if client is None else (client.host, client.port or 0),
            agent=request.headers.get("user-agent", ""),
        )
        self.access = read_entered(request.cookies.get(ACCESS_COOKIE))
        self._me: Me | None = None
        self._is_safe = request.method == "GET"

    async def me(self) -> Me | None:
        """Return who is logged in, if anybody is."""
        if self._me is None and self.token is not None:
            try:
                self._me = await self.api.get("/api/me", Me)
            except Refused as refused:
                if not refused.is_(HTTPStatus.UNAUTHORIZED):
                    raise
        return self._me

    async def known(self) -> Me:
        """Return who is logged in; whoever isn't is led to the log-in and back."""
        me = await self.me()
        if me is None:
            # Only what was looked at is worth coming back to: a form is sent again by its sender.
            raise ToLogIn(self.address if self._is_safe else "/")
        return me

    async def workspace(self, slug: str) -> Workspace:
        """Enter a workspace; a stranger's is as absent as one that isn't there."""
        me = await self.known()
        if not is_slug(slug):
            raise NotFound(NO_SUCH_PAGE)
        if all(each.slug != slug for each in me.tenants):
            await self._lead_on(slug)
        if me.tenant is None or me.tenant.slug != slug:
            raise ToSwitch(me, slug, self.address if self._is_safe else f"/w/{slug}")
        api = self.api.within(slug)
        tenant, newest, accesses = await asyncio.gather(
            api.get("/api/tenant", TenantWhole),
            api.get("/api/moves", List[OwnMove], {"limit": 1}),
            api.get("/api/access", List[AccessSeen]),
        )
        move = next((each for each in newest.items if each.state is MoveState.RUNNING), None)
        room = Workspace(self, me, api, tenant, move=move)
        room.accesses = accesses.items
        return room

    async def _lead_on(self, slug: str) -> NoReturn:
        """Raise where a workspace is that had this slug; a stranger learns nothing by it."""
        try:
            tenant = await self.api.within(slug).get("/api/tenant", TenantWhole)
        except Refused:
            raise NotFound(NO_SUCH_PAGE) from None
        root, here = f"/w/{tenant.slug}", f"/w/{slug}"
        raise ToNewAddress(root + self.address.removeprefix(here) if self._is_safe else root)

    async def staff(self, *roles: StaffRole) -> Me:
        """Let in the staff, or those of them in one of the roles; to all others it isn't there."""
        me = await self.known()
        if me.staff is None:
            raise NotFound(NO_SUCH_PAGE)
        if roles and me.staff not in roles:
            raise NotAllowed(f"as {me.staff} of the staff you may look, not do this")
        return me

    def page(
        self,
        template: str,
        values: Mapping[str, object] | None = None,
        *,
        form: Form = EMPTY,
        status: int | None = None,
    ) -> Template:
        """Answer with a page."""
        given = {
            "visitor": self,
            "me": self._me,
            "form": form,
            "now": datetime.now(UTC),
            **(values or {}),
        }
        cookies = [gone(SAID_COOKIE)] if self.said else []
        return Template(
            template,
            context=given,
            status_code=form.status if status is None else status,
            media_type="text/html",
            cookies=cookies,
        )

    def to(self, path: str, *, said: str | None = None) -> Redirect:
        """Send the browser on by GET, to a path of ours, with a sentence to show there once."""
        cookies = [cookie(SAID_COOKIE, quote(said[:SAID_LENGTH_MAX]), SAID_S_MAX)] if said else []
        return Redirect(path, status_code=303, cookies=cookies)

    def away(self, url: str) -> Redirect:
        """Send the browser to another site: one that ``porch`` lets forms lead to."""
        return Redirect(url, status_code=303)

    def entered(
        self, token: str, expires_at: datetime, path: str, *, said: str | None = None
    ) -> Redirect:
        """Send the browser on with a new session; the cookie of the one before is replaced."""
        life_s = int((expires_at - datetime.now(UTC)).total_seconds())
        answer = self.to(path, said=said)
        answer.set_cookie(cookie(SESSION_COOKIE, token, max(life_s, 0)))
        # It may be another person by now.
        answer.set_cookie(gone(ACCESS_COOKIE))
        return answer

    async def give_way(self, token: str) -> None:
        """End the session that the browser came with, as another one takes its place.

        A form that was sent twice comes the second time with the session that it opened.
        """
        if self.token != token and await self.me() is not None:
            await self.api.do("POST", "/api/logout")

    def left(self, path: str, *, said: str | None = None) -> Redirect:
        """Send the browser on without a session, and without what was entered in it."""
        answer = self.to(path, said=said)
        answer.set_cookie(gone(SESSION_COOKIE))
        answer.set_cookie(gone(ACCESS_COOKIE))
        return answer

    def entering(self, begun: Entered, path: str) -> Redirect:
        """Send the browser on with access to a tenant's rows."""
        assert begun.access.ends_at is not None, "what was entered has an end"
        life_s = int((begun.access.ends_at - datetime.now(UTC)).total_seconds())
        kept = cookie(ACCESS_COOKIE, spell_entered(begun), max(life_s, 0))
        return Redirect(path, status_code=303, cookies=[kept])

    def leaving(self, path: str) -> Redirect:
        """Send the browser on without access to anybody's rows."""
        return Redirect(path, status_code=303, cookies=[gone(ACCESS_COOKIE)])


class Workspace:
    """A visitor inside one workspace. ``api`` asks within it; ``move`` is one that runs now."""

    def __init__(
        self, visitor: Visitor, me: Me, api: Api, tenant: TenantWhole, *, move: OwnMove | None
    ) -> None:
        self.visitor = visitor
        self.me = me
        self.api = api
        self.tenant = tenant
        self.move = move
        #: Staff's accesses to its rows that last now.
        self.accesses: list[AccessSeen] = []
        self.root = f"/w/{tenant.slug}"

    @property
    def banners(self) -> list[Banner]:
        """What is said on every page."""
        told = banners(self.tenant, datetime.now(UTC))
        return [*banners_of_accesses(self.accesses), *told]

    def allows(self, permission: str) -> bool:
        """Tell whether the visitor's role allows something: what it doesn't isn't offered."""
        return permission in self.me.permissions

    def page(
        self, template: str, values: Mapping[str, object] | None = None, *, form: Form = EMPTY
    ) -> Template:
        """Answer with a page of this workspace."""
        given = {"workspace": self, "tenant": self.tenant, **(values or {})}
        return self.visitor.page(template, given, form=form)

    def to(self, path: str, *, said: str | None = None) -> Redirect:
        """Send the browser to another page of this workspace."""
        return self.visitor.to(self.root + path, said=said)


async def visitor_of(scope: Scope) -> Visitor:
    """Litestar's dependency ``visitor``."""
    visitor: Visitor = scope["state"]["visitor"]
    return visitor


def own_path(path: str) -> str:
    r"""Return a path to come back to, if it is one of ours; else the start page.

    Browsers read ``//host`` and ``/\\host`` as another site's address.
    """
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if is_ours and len(path) <= 1_000 else "/"  # noqa: PLR2004 - no address of ours is


def log_in_path(path: str) -> str:
    """Return where one logs in and comes back from."""
    return "/login" if path == "/" else "/login?" + urlencode({"next": path})


def cookie(name: str, value: str, life_s: int) -> Cookie:
    """Make a cookie that this host alone gets back, and no script reads."""
    return Cookie(
        key=name,
        value=value,
        max_age=life_s,
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )


def gone(name: str) -> Cookie:
    """Make what takes a cookie away."""
    return cookie(name, "", 0)
