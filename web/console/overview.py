"""How everything stands, each number with the way to where it is dealt with."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect, Template

from billing.ops_routes import ComparisonShown
from billing.sweep import Report
from router.catalog.overview import LATELY, Overview
from web.api import Refused
from web.console.asking import CHANGES, checked
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor


@get("/console", include_in_schema=False)
async def overview(visitor: NamedDependency[Visitor]) -> Template:
    """One document of the API: the page waits for no cluster and for no provider."""
    await visitor.staff()
    found = await visitor.api.get("/api/ops/overview", Overview)
    given = {"found": found, "figures": found.figures, "lately_days": LATELY.days}
    return visitor.page("console/overview.html", given)


@get("/console/comparison", include_in_schema=False)
async def show_comparison(visitor: NamedDependency[Visitor]) -> Template:
    """What the newest comparison with the payment provider found and repaired."""
    await visitor.staff()
    return await _comparison_page(visitor)


@post("/console/comparison", status_code=200, include_in_schema=False)
async def compare_now(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Compares every account, which takes as long as the provider does."""
    await visitor.staff(CHANGES)
    form = checked(await read_form(request))
    if form.errors:
        return await _comparison_page(visitor, form)
    path = "/api/ops/billing/reconcile"
    try:
        report = await visitor.api.change("POST", path, wanted=Report, change=form.change)
    except Refused as refused:
        return await _comparison_page(visitor, form.refused(refused))
    said = f"{report.accounts_looked} accounts compared, {len(report.differences)} differed."
    return visitor.to("/console/comparison", said=said)


async def _comparison_page(visitor: Visitor, form: Form = EMPTY) -> Template:
    shown = await visitor.api.get("/api/ops/comparison", ComparisonShown)
    return visitor.page("console/comparison.html", {"shown": shown}, form=form)
