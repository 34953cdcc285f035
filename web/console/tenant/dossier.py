"""What all pages about one tenant have in common: its head, the way between them, its address."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from router.api.ops import OpsTenant
from router.api.shapes import List
from router.catalog.access_words import Access, AccessState
from router.catalog.move_words import MOVE, UNDO
from router.words import Standing, TenantStatus
from web.banners import Banner
from web.console.asking import segment
from web.form import EMPTY, Form
from web.rendering import day, moment

if TYPE_CHECKING:
    from litestar.response import Redirect, Template

    from web.visitor import Visitor

#: Each page's part of the address, and what leads there.
TABS: Final = (
    ("", "Summary"),
    ("/placement", "Placement"),
    ("/usage", "Usage & limits"),
    ("/billing", "Billing"),
    ("/members", "Members"),
    ("/domains", "Domains"),
    ("/data", "Data"),
    ("/access", "Staff access"),
    ("/audit", "Audit"),
    ("/danger", "Danger"),
)
ACCESSES_TOLD_MAX = 5
_STATUSES: Final = {
    TenantStatus.PROVISIONING: "It is still being made: it has no place yet.",
    TenantStatus.MAINTENANCE: "It is in maintenance: requests to its product get 503.",
    TenantStatus.SUSPENDED: "It is suspended: nothing of its product is served.",
    TenantStatus.ERASED: "It was erased: what stands here is what outlives its rows.",
}
_GRAVE: Final = frozenset({TenantStatus.SUSPENDED, TenantStatus.ERASED})


class Dossier:
    """One tenant as the staff looks at it."""

    def __init__(
        self, visitor: Visitor, tenant: OpsTenant, *, accesses: list[Access] | None = None
    ) -> None:
        self.visitor = visitor
        self.tenant = tenant
        self.root = f"/console/tenants/{tenant.slug}"
        self.api = f"/api/ops/tenants/{tenant.slug}"
        self.banners = tuple(banners(tenant, accesses or []))

    def page(self, tab: str, values: Mapping[str, object], *, form: Form = EMPTY) -> Template:
        """Answer with one of its pages; each template has its tab's name."""
        given = {
            "tenant": self.tenant,
            "root": self.root,
            "banners": self.banners,
            "tabs": TABS,
            "tab": tab,
            **values,
        }
        template = f"console/tenant{tab or '/summary'}.html"
        return self.visitor.page(template, given, form=form)


async def open_dossier(visitor: Visitor, slug: str, *, has_size: bool = False) -> Dossier:
    """Ask for what stands at the head of each page; the size is asked for where the rows are."""
    api, path = visitor.api, tenant_api(slug)
    lasting: dict[str, str | int | None] = {
        "tenant": slug,
        "state": AccessState.ACTIVE.value,
        "limit": ACCESSES_TOLD_MAX,
    }
    tenant, accesses = await asyncio.gather(
        api.get(path, OpsTenant, {"size": "true" if has_size else "false"}),
        api.get("/api/ops/access", List[Access], lasting),
    )
    return Dossier(visitor, tenant, accesses=accesses.items)


def tenant_api(slug: str) -> str:
    """Return where the API has a tenant."""
    return f"/api/ops/tenants/{segment(slug)}"


def back_to(visitor: Visitor, slug: str, tab: str, *, said: str) -> Redirect:
    """Send the browser to one of the tenant's pages, with what was done."""
    return visitor.to(f"/console/tenants/{segment(slug)}{tab}", said=said)


def banners(tenant: OpsTenant, accesses: list[Access]) -> Iterator[Banner]:
    """Say what whoever does something here has to know first, the gravest first."""
    if tenant.status in _STATUSES:
        is_bad = tenant.status in _GRAVE
        yield Banner(said=_STATUSES[tenant.status], is_bad=is_bad, path="/danger", label="See it")
    if tenant.ends_at is not None and tenant.status is not TenantStatus.ERASED:
        said = f"It and all its rows are erased on {day(tenant.ends_at)}."
        yield Banner(said=said, is_bad=True, path="/danger", label="See who asked")
    for each in accesses:
        said = (
            f"{each.requested_by} may {each.mode.value} its rows until {moment(each.ends_at)}: "
            f"{each.reason} ({each.ticket})."
        )
        yield Banner(said=said, path="/access", label="See what is done")
    yield from _of_billing(tenant)
    if tenant.operation is not None and tenant.operation.kind in {MOVE, UNDO}:
        yield Banner(said="It is being moved.", path="/placement", label="See the move")


def _of_billing(tenant: OpsTenant) -> Iterator[Banner]:
    told = tenant.billing
    if tenant.standing is Standing.READ_ONLY:
        said = "What is due wasn't paid: its rows can be read, and not changed."
        yield Banner(said=said, is_bad=True, path="/billing", label="See what is due")
    elif tenant.standing is Standing.GRACE:
        until = day(tenant.standing_until) or "a day that its people are told"
        said = f"Something is due: from {until} on its rows can only be read."
        yield Banner(said=said, path="/billing", label="See what is due")
    if told is not None and (told.problem or told.error):
        said = f"Its billing isn't known to be right: {told.problem or told.error}"
        yield Banner(said=said, path="/billing", label="See both sides")
