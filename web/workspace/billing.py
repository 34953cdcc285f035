"""Plan and billing: what is paid for, what is used of it, and the ways to more or less."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlencode

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template

from billing.current import Current
from billing.foreseeing import Foreseen
from billing.life_words import Basis
from billing.routes import PageAddress, PlanShown
from billing.telling import PLAN_ENDS, PLAN_LEFT
from router.api.location import Location
from router.api.shapes import List
from router.api.usage import Metric
from router.words import Limits
from web.api import Refused
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor, Workspace

WORD_LENGTH_MAX = 100
#: What moves took when they were measured: told until this installation has figures of its own.
USUAL_PAUSE_MS = 30.0
_BOUGHT = (
    "There is a subscription already: nothing was bought twice. Another plan is a change of it."
)
PlanName = Annotated[str, QueryParameter(name="plan", max_length=WORD_LENGTH_MAX)]
IntervalName = Annotated[str, QueryParameter(name="interval", max_length=WORD_LENGTH_MAX)]


@get("/w/{slug:str}/billing", include_in_schema=False)
async def show(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """As we saw it last; the provider isn't asked."""
    return await _billing_page(await visitor.workspace(slug))


@post("/w/{slug:str}/billing/checkout", status_code=200, include_in_schema=False)
async def check_out(
    visitor: NamedDependency[Visitor], slug: FromPath[str], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Leads to the provider's page; sent twice, the form leads to the same one.

    Whoever bought it meanwhile, in another window, is told so and pays nothing twice.
    """
    room, form = await visitor.workspace(slug), await read_form(request)
    try:
        page = await room.api.change(
            "POST",
            "/api/billing/checkout",
            _wanted(form),
            wanted=PageAddress,
            change=form.change,
        )
    except Refused as refused:
        current = await room.api.get("/api/billing", Current)
        if refused.is_(HTTPStatus.CONFLICT) and current.basis is not Basis.CONTRACT:
            return room.to("/billing", said=_BOUGHT)
        return await _billing_page(room, form.refused(refused))
    return room.visitor.away(page.url)


@post("/w/{slug:str}/billing/portal", status_code=200, include_in_schema=False)
async def open_portal(
    visitor: NamedDependency[Visitor], slug: FromPath[str], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Leads to where cards are changed and invoices are paid."""
    room, form = await visitor.workspace(slug), await read_form(request)
    try:
        page = await room.api.change(
            "POST", "/api/billing/portal", wanted=PageAddress, change=form.change
        )
    except Refused as refused:
        return await _billing_page(room, form.refused(refused))
    return room.visitor.away(page.url)


@get("/w/{slug:str}/billing/change", include_in_schema=False)
async def preview(
    visitor: NamedDependency[Visitor],
    slug: FromPath[str],
    plan: PlanName,
    interval: IntervalName = "month",
) -> Template:
    """Shows what a plan costs and brings before anything is bought or changed."""
    room = await visitor.workspace(slug)
    asked = {"plan": plan, "interval": interval}
    try:
        foreseen = await room.api.get("/api/billing/preview", Foreseen, asked)
    except Refused as refused:
        return await _billing_page(room, EMPTY.refused(refused))
    metrics = (await room.api.get("/api/usage", List[Metric])).items
    given = {
        "bargain": foreseen.bargain,
        "move": foreseen.move,
        "before": room.tenant.limits,
        "excess": too_much(metrics, foreseen.bargain.limits),
        "usual_pause_ms": USUAL_PAUSE_MS,
    }
    return room.page("workspace/change_plan.html", given)


@post("/w/{slug:str}/billing/change", status_code=200, include_in_schema=False)
async def change(
    visitor: NamedDependency[Visitor], slug: FromPath[str], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """A dearer plan holds once it is paid for, and the page says which of both is the case."""
    room, form = await visitor.workspace(slug), await read_form(request)
    try:
        current = await room.api.change(
            "POST", "/api/billing/change", _wanted(form), wanted=Current, change=form.change
        )
    except Refused as refused:
        return await _billing_page(room, form.refused(refused))
    plan = form.text("plan")
    wanted = (await _plans(room)).get(plan)
    if plan != room.tenant.plan and wanted is not None and wanted.tier is not room.tenant.tier:
        return room.to("/upgrade/return?" + urlencode({"plan": plan}))
    said = f"The plan is {plan} now."
    if current.plan != plan or current.is_behind:
        said = f"The plan becomes {plan} as soon as the payment has arrived."
    return room.to("/billing", said=said)


@get("/w/{slug:str}/billing/cancel", include_in_schema=False)
async def ask_cancellation(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """Says first what the first plan has no room for."""
    room = await visitor.workspace(slug)
    current = await room.api.get("/api/billing", Current)
    metrics = (await room.api.get("/api/usage", List[Metric])).items
    first = next(iter((await _plans(room)).values()))
    given = {"current": current, "first": first, "excess": too_much(metrics, first.limits)}
    return room.page("workspace/cancel.html", given)


@post("/w/{slug:str}/billing/cancel", status_code=200, include_in_schema=False)
async def cancel(
    visitor: NamedDependency[Visitor], slug: FromPath[str], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """What is paid for stays until it ends."""
    room, form = await visitor.workspace(slug), await read_form(request)
    said = "Cancelled: the plan stays until what is paid for ends."
    return await _settle(room, "cancel", form, said=said)


@post("/w/{slug:str}/billing/resume", status_code=200, include_in_schema=False)
async def resume(
    visitor: NamedDependency[Visitor], slug: FromPath[str], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Takes a cancellation back."""
    room, form = await visitor.workspace(slug), await read_form(request)
    return await _settle(room, "resume", form, said="The subscription goes on.")


def too_much(metrics: Iterable[Metric], limits: Limits) -> list[Metric]:
    """Return what is used beyond a plan's room; calls count anew each month and always fit."""
    room = {"seats": limits.seats, "storage_bytes": limits.storage_bytes}
    return [
        Metric(metric=each.metric, used=each.used, limit=limit)
        for each in metrics
        if (limit := room.get(each.metric)) is not None and each.used > limit
    ]


async def _settle(room: Workspace, deed: str, form: Form, *, said: str) -> Template | Redirect:
    try:
        await room.api.do("POST", f"/api/billing/{deed}", change=form.change)
    except Refused as refused:
        return await _billing_page(room, form.refused(refused))
    return room.to("/billing", said=said)


async def _billing_page(room: Workspace, form: Form = EMPTY) -> Template:
    current = await room.api.get("/api/billing", Current)
    given = {
        "current": current,
        "plans": await _plans(room),
        "metrics": (await room.api.get("/api/usage", List[Metric])).items,
        # When the plan ends stands among its facts.
        "notices": [notice for notice in current.notices if notice.kind != PLAN_ENDS],
        "news": PLAN_LEFT,
        "pays": room.allows("billing.write"),
        "pause_ms": await _pause_ms(room),
    }
    return room.page("workspace/billing.html", given, form=form)


async def _pause_ms(room: Workspace) -> float:
    """Return for how long writes wait when the workspace moves: as the last moves had it."""
    expected = (await room.api.get("/api/location", Location)).pause_ms_expected
    return USUAL_PAUSE_MS if expected is None else expected


async def _plans(room: Workspace) -> dict[str, PlanShown]:
    """Return the price list by name, the cheapest first."""
    listed = (await room.visitor.api.get("/api/plans", List[PlanShown])).items
    return {plan.name: plan for plan in listed}


def _wanted(form: Form) -> dict[str, str]:
    return {"plan": form.text("plan"), "interval": form.text("interval") or "month"}
