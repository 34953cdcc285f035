"""Tenants: the list, and one of them with all that may be done to it."""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from billing.both_sides import BothSides
from billing.routes import PlanShown
from router.api.fleet import ClusterShown
from router.api.moves import MoveBegun, WantedTier
from router.api.ops import OpsTenant
from router.api.shapes import List
from router.catalog.move_words import MoveDocument, Rehearsal
from router.errors import NotFound
from router.words import TenantStatus, Tier
from web.api import Change, Refused
from web.console.asking import CHANGES, Filter, address, by_act, checked, chosen, segment
from web.form import EMPTY, Form, read_form
from web.visitor import NO_SUCH_PAGE, Visitor

MOVES_SHOWN_MAX = 5
SUSPEND = "suspend"
ACTS = ("move", "plan", SUSPEND, "resume", "maintenance")
_WANTED = {WantedTier.PLAN: "as its plan wants it"}
_DONE = {
    "plan": "The plan is changed.",
    SUSPEND: "The tenant is suspended.",
    "resume": "The tenant is served again.",
    "maintenance": "The tenant's maintenance has begun.",
}


class _Sent(msgspec.Struct, frozen=True, kw_only=True):
    """Which form of the page was sent, and how it looks now."""

    act: str | None = None
    form: Form = EMPTY
    rehearsal: Rehearsal | None = None


@get("/console/tenants", include_in_schema=False)
async def show_tenants(  # noqa: PLR0913 - each argument is one filter of the page
    visitor: NamedDependency[Visitor],
    *,
    search: Filter = "",
    plan: Filter = "",
    tier: Filter = "",
    status: Filter = "",
    after: Filter = "",
) -> Template:
    """By slug; the filters stay in the address, which can be sent on."""
    await visitor.staff()
    filters = chosen(search=search, plan=plan, tier=tier, status=status, after=after)
    found = await visitor.api.get("/api/ops/tenants", List[OpsTenant], filters)
    plans = await visitor.api.get("/api/plans", List[PlanShown])
    return visitor.page(
        "console/tenants.html",
        {
            "tenants": found,
            "plans": plans.items,
            "tiers": list(Tier),
            "statuses": list(TenantStatus),
            "filters": filters,
            "address": address("/console/tenants", filters),
        },
    )


@get("/console/tenants/{slug:str}", include_in_schema=False)
async def show_tenant(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """Its placement, its plan, its billing on both sides, and what may be done to it."""
    await visitor.staff()
    return await _tenant_page(visitor, slug, _Sent())


@post("/console/tenants/{slug:str}/move", status_code=200, include_in_schema=False)
async def begin_move(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], slug: FromPath[str]
) -> Template | Redirect:
    """Leads to the move that was begun, where it can be watched."""
    await visitor.staff(CHANGES)
    form = checked(await read_form(request))
    if form.errors:
        return await _tenant_page(visitor, slug, _Sent(act="move", form=form))
    try:
        begun = await visitor.api.change(
            "POST", "/api/ops/moves", _goal(slug, form), wanted=MoveBegun, change=form.change
        )
    except Refused as refused:
        sent = _Sent(act="move", form=form.refused(refused))
        return await _tenant_page(visitor, slug, sent)
    if begun.operation is None:
        return visitor.to(_path(slug), said="The tenant is where its plan wants it already.")
    return visitor.to(f"/console/moves/{begun.operation.id}", said="The move has begun.")


@post("/console/tenants/{slug:str}/move/dry-run", status_code=200, include_in_schema=False)
async def foresee_move(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], slug: FromPath[str]
) -> Template:
    """Shows what the move would do, above the form that begins it."""
    await visitor.staff(CHANGES)
    form = checked(await read_form(request))
    if form.errors:
        return await _tenant_page(visitor, slug, _Sent(act="move", form=form))
    # Without the form's key: that one is for the move itself, also for who goes back to the form.
    asked = Change(reason=form.change.reason)
    try:
        rehearsal = await visitor.api.change(
            "POST", "/api/ops/moves/dry-run", _goal(slug, form), wanted=Rehearsal, change=asked
        )
    except Refused as refused:
        sent = _Sent(act="move", form=form.refused(refused))
        return await _tenant_page(visitor, slug, sent)
    return await _tenant_page(visitor, slug, _Sent(act="move", form=form, rehearsal=rehearsal))


@post("/console/tenants/{slug:str}/{act:str}", status_code=200, include_in_schema=False)
async def change_tenant(
    visitor: NamedDependency[Visitor],
    request: Request[Any, Any, Any],
    slug: FromPath[str],
    act: FromPath[str],
) -> Template | Redirect:
    """Changes its plan, or whether it is served; who suspends it types its slug."""
    await visitor.staff(CHANGES)
    if act not in _DONE:
        raise NotFound(NO_SUCH_PAGE)
    form = checked(await read_form(request), confirm=slug if act == SUSPEND else None)
    if form.errors:
        return await _tenant_page(visitor, slug, _Sent(act=act, form=form))
    path = f"/api/ops/tenants/{segment(slug)}/{act}"
    try:
        await visitor.api.do("POST", path, _body(act, form), change=form.change)
    except Refused as refused:
        return await _tenant_page(visitor, slug, _Sent(act=act, form=form.refused(refused)))
    return visitor.to(_path(slug), said=_DONE[act])


def _goal(slug: str, form: Form) -> dict[str, object]:
    return {"tenant": slug, "tier": form.text("tier"), "cluster": form.optional("cluster")}


def _body(act: str, form: Form) -> dict[str, object] | None:
    match act:
        case "plan":
            return {"plan": form.text("plan")}
        case "maintenance":
            return {"on": True}
        case _:
            return None


def _path(slug: str) -> str:
    return f"/console/tenants/{segment(slug)}"


async def _tenant_page(visitor: Visitor, slug: str, sent: _Sent) -> Template:
    api = visitor.api
    tenant = await api.get(f"/api/ops/tenants/{segment(slug)}", OpsTenant)
    asked: dict[str, str | int | None] = {"tenant": str(tenant.id), "limit": MOVES_SHOWN_MAX}
    moves = await api.get("/api/ops/moves", List[MoveDocument], asked)
    clusters = await api.get("/api/ops/clusters", List[ClusterShown])
    plans = await api.get("/api/plans", List[PlanShown])
    billing, billing_problem = await _billing(visitor, tenant)
    return visitor.page(
        "console/tenant.html",
        {
            "tenant": tenant,
            "moves": moves.items,
            "clusters": clusters.items,
            "plans": plans.items,
            "tiers": [(each.value, _WANTED.get(each, each.value)) for each in WantedTier],
            "billing": billing,
            "billing_problem": billing_problem,
            "rehearsal": sent.rehearsal,
            "forms": by_act(ACTS, sent.act, sent.form),
        },
        form=sent.form,
    )


async def _billing(visitor: Visitor, tenant: OpsTenant) -> tuple[BothSides | None, str]:
    """Ask for both sides; a provider that doesn't answer takes nothing else from the page."""
    try:
        return await visitor.api.get(f"/api/ops/billing/{tenant.id}", BothSides), ""
    except Refused as refused:
        return None, refused.problem.detail
