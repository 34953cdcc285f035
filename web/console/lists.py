"""What operators look over: the provider's events, what the doctor found, the audit."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template

from billing.inbox import EventState
from billing.ops_routes import EventLine
from router.api.audit import AuditLine
from router.api.isolation import IsolationShown
from router.api.shapes import List
from web.api import Refused
from web.console.asking import CHANGES, Filter, address, checked, chosen, segment
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor

# Litestar keeps `state` for itself.
State = Annotated[str, QueryParameter(name="state", max_length=200)]


@get("/console/inbox", include_in_schema=False)
async def show_inbox(
    visitor: NamedDependency[Visitor],
    *,
    wanted: State = "",
    tenant: Filter = "",
    after: Filter = "",
) -> Template:
    """The newest first."""
    await visitor.staff()
    return await _inbox_page(visitor, chosen(state=wanted, tenant=tenant, after=after))


@post("/console/inbox/{event_id:str}/replay", status_code=200, include_in_schema=False)
async def replay(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], event_id: FromPath[str]
) -> Template | Redirect:
    """The provider is asked for what holds now; a replay brings nothing back."""
    await visitor.staff(CHANGES)
    form = checked(await read_form(request))
    if form.errors:
        return await _inbox_page(visitor, {}, form=form)
    path = f"/api/ops/inbox/{segment(event_id)}/replay"
    try:
        await visitor.api.do("POST", path, change=form.change)
    except Refused as refused:
        return await _inbox_page(visitor, {}, form=form.refused(refused))
    return visitor.to("/console/inbox", said=f"Event {event_id} is looked at again.")


@get("/console/isolation", include_in_schema=False)
async def show_isolation(visitor: NamedDependency[Visitor]) -> Template:
    """What the doctor found when it looked last."""
    await visitor.staff()
    return await _isolation_page(visitor)


@post("/console/isolation", status_code=200, include_in_schema=False)
async def look_now(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """A worker has the doctor look; asked for twice, it looks once."""
    await visitor.staff(CHANGES)
    form = checked(await read_form(request))
    if form.errors:
        return await _isolation_page(visitor, form)
    try:
        await visitor.api.do("POST", "/api/ops/isolation", change=form.change)
    except Refused as refused:
        return await _isolation_page(visitor, form.refused(refused))
    return visitor.to("/console/isolation", said="The doctor looks: come back in some seconds.")


async def _isolation_page(visitor: Visitor, form: Form = EMPTY) -> Template:
    report = await visitor.api.get("/api/ops/isolation", IsolationShown)
    return visitor.page("console/isolation.html", {"report": report}, form=form)


@get("/console/audit", include_in_schema=False)
async def show_audit(
    visitor: NamedDependency[Visitor], tenant: Filter = "", after: Filter = ""
) -> Template:
    """The newest first."""
    await visitor.staff()
    filters = chosen(tenant=tenant, after=after)
    found = await visitor.api.get("/api/ops/audit", List[AuditLine], filters)
    given = {"audit": found, "filters": filters, "address": address("/console/audit", filters)}
    return visitor.page("console/audit.html", given)


async def _inbox_page(
    visitor: Visitor, filters: dict[str, str | None], *, form: Form = EMPTY
) -> Template:
    found = await visitor.api.get("/api/ops/inbox", List[EventLine], filters)
    given = {
        "events": found,
        "states": list(EventState),
        "filters": {"state": None, "tenant": None, **filters},
        "address": address("/console/inbox", filters),
    }
    return visitor.page("console/inbox.html", given, form=form)
