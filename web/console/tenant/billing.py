"""A tenant's account on both sides, what came of it, and the plan that operators set."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from billing.both_sides import BothSides
from billing.ops_routes import EventLine
from billing.routes import PlanShown
from router.api.shapes import List
from router.errors import NotFound
from web.api import Refused
from web.console.asking import CHANGES, Filter, by_act, checked
from web.console.tenant.dossier import Dossier, back_to, open_dossier, tenant_api
from web.form import EMPTY, Form, read_form
from web.visitor import NO_SUCH_PAGE, Visitor

TAB: Final = "/billing"
EVENTS_SHOWN_MAX = 20


class _Act(msgspec.Struct, frozen=True, kw_only=True):
    """What one of the page's forms asks of the API, and what is said afterwards."""

    path: str
    said: str
    method: str = "POST"


_ACTS: Final = {
    "plan": _Act(path="plan", said="The plan is changed."),
    "release": _Act(
        path="contract", said="The plan is what the tenant buys, within a second.", method="DELETE"
    ),
    "resync": _Act(path="billing/resync", said="The provider is asked again."),
}


@get("/console/tenants/{slug:str}/billing", include_in_schema=False)
async def show_billing(
    visitor: NamedDependency[Visitor], slug: FromPath[str], after: Filter = ""
) -> Template:
    """Both sides, their differences, the invoices, and the provider's events about it."""
    await visitor.staff()
    return await _page(visitor, slug, after=after)


@post("/console/tenants/{slug:str}/billing/{act:str}", status_code=200, include_in_schema=False)
async def change_billing(
    visitor: NamedDependency[Visitor],
    request: Request[Any, Any, Any],
    slug: FromPath[str],
    act: FromPath[str],
) -> Template | Redirect:
    """Sets a plan over what is bought, gives that back, or has the provider asked again."""
    await visitor.staff(CHANGES)
    if act not in _ACTS:
        raise NotFound(NO_SUCH_PAGE)
    form = checked(await read_form(request))
    if form.errors:
        return await _page(visitor, slug, act=act, form=form)
    wanted = _ACTS[act]
    body = {"plan": form.text("plan")} if act == "plan" else None
    path = f"{tenant_api(slug)}/{wanted.path}"
    try:
        await visitor.api.do(wanted.method, path, body, change=form.change)
    except Refused as refused:
        return await _page(visitor, slug, act=act, form=form.refused(refused))
    return back_to(visitor, slug, TAB, said=wanted.said)


async def _page(
    visitor: Visitor, slug: str, *, act: str | None = None, form: Form = EMPTY, after: str = ""
) -> Template:
    dossier, api = await open_dossier(visitor, slug), visitor.api
    asked: dict[str, str | int | None] = {
        "tenant": str(dossier.tenant.id),
        "limit": EVENTS_SHOWN_MAX,
        "after": after.strip() or None,
    }
    billing, problem = await _both_sides(dossier)
    given = {
        "billing": billing,
        "billing_problem": problem,
        "plans": (await api.get("/api/plans", List[PlanShown])).items,
        "events": await api.get("/api/ops/inbox", List[EventLine], asked),
        "forms": by_act(tuple(_ACTS), act, form),
    }
    return dossier.page(TAB, given, form=form)


async def _both_sides(dossier: Dossier) -> tuple[BothSides | None, str]:
    """Ask for both sides; a provider that doesn't answer takes nothing else from the page."""
    try:
        path = f"/api/ops/billing/{dossier.tenant.id}"
        return await dossier.visitor.api.get(path, BothSides), ""
    except Refused as refused:
        return None, refused.problem.detail
