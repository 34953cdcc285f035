"""GET /ask: may a proxy get a certificate for this name? For TLS on demand (Caddy's `ask`)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Final

from litestar import Router, get
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from router.errors import BadRequest, LimitReached, NotFound
from router.gateway.identity import Site, read_host
from router.words import TenantStatus

if TYPE_CHECKING:
    from deploy.platform import Platform
    from router.words import Tenant

#: Names that this process doesn't know, a second: everybody can make a proxy ask for any name.
UNKNOWN_PER_S: Final = 50.0
UNKNOWN_AT_ONCE: Final = 200.0
_NAME_LENGTH_MAX: Final = 253


class Asked:
    """Answers. What is in memory always; of the rest a bounded number a second."""

    def __init__(self, platform: Platform) -> None:
        self._directory = platform.directory
        self._site = Site.parse(platform.settings.base_domain)
        self._left = UNKNOWN_AT_ONCE
        self._since_s = time.monotonic()

    async def tenant_of(self, name: str) -> Tenant | None:
        """Return the tenant that is served at a host."""
        try:
            slug, domain = read_host(name, self._site)
        except BadRequest:
            return None
        known = self._directory
        if slug is not None:
            return known.by_slug(slug) or await known.resolve_slug(self._counted(slug))
        if domain is not None:
            return known.by_domain(domain) or await known.resolve_domain(self._counted(domain))
        return None

    def _counted(self, name: str) -> str:
        """Return a name that is to be looked up, when another one may be; raises LimitReached."""
        now_s = time.monotonic()
        gained = (now_s - self._since_s) * UNKNOWN_PER_S
        self._left, self._since_s = min(self._left + gained, UNKNOWN_AT_ONCE), now_s
        if self._left < 1:
            raise LimitReached("too many unknown names were asked for: wait", retry_after_s=1)
        self._left -= 1
        return name


@get("/ask", tags=["domains"], summary="May a certificate be got for this name?", security=[{}])
async def ask(
    asked: NamedDependency[Asked],
    domain: Annotated[
        str, QueryParameter(max_length=_NAME_LENGTH_MAX, description="The name of the host.")
    ],
) -> None:
    """200 for a domain that is served and for a tenant's own address; 404 for all others."""
    tenant = await asked.tenant_of(domain)
    if tenant is None or tenant.status is TenantStatus.ERASED:
        raise NotFound("no tenant is served there")


def ask_router(platform: Platform) -> Router:
    """Make the route, behind no door: a proxy shows nothing."""
    asked = Asked(platform)
    return Router(
        path="/",
        route_handlers=[ask],
        dependencies={"asked": Provide(lambda: asked, sync_to_thread=False)},
    )
