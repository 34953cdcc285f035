"""The site: every page behind one porch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from litestar import Router
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import CacheControlHeader
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.middleware.csrf import CSRFMiddleware
from litestar.static_files import create_static_files_router  # pyright: ignore[reportUnknownVariableType]  # a type of its parameters is bare
from litestar.types import ControllerRouterHandler

from web import accounts, console, front, mailbox, sales, staff, workspace
from web.porch import Policy, Porch
from web.problems import PAGE_HANDLERS
from web.rendering import ASSETS
from web.visitor import Web, visitor_of

CSRF_COOKIE = "__Host-stepwell-form"
ASSET_LIFE_S = 31_536_000
PAGES: Sequence[ControllerRouterHandler] = (
    front.start,
    front.pricing,
    front.upgrade,
    front.workspaces,
    front.switch,
    *accounts.PAGES,
    *mailbox.PAGES,
    *console.PAGES,
    *sales.PAGES,
    *staff.PAGES,
    *workspace.PAGES,
)


def site_routers(web: Web, policy: Policy, *, form_secret: str) -> list[Router]:
    """Make the pages, and what they look like."""
    csrf = CSRFConfig(
        secret=form_secret,
        # The prefix keeps a tenant's own host from setting one for ours.
        cookie_name=CSRF_COOKIE,
        cookie_secure=True,
        cookie_httponly=True,
        cookie_samesite="lax",
    )
    pages = Router(
        path="/",
        route_handlers=PAGES,
        middleware=[Porch(web, policy), DefineMiddleware(CSRFMiddleware, config=csrf)],
        dependencies={"visitor": Provide(visitor_of)},
        exception_handlers=PAGE_HANDLERS,
        include_in_schema=False,
    )
    return [pages, _assets(ASSETS)]


def _assets(folder: Path) -> Router:
    return create_static_files_router(
        path="/assets",
        directories=[folder],
        name="assets",
        cache_control=CacheControlHeader(max_age=ASSET_LIFE_S, public=True, immutable=True),
    )
