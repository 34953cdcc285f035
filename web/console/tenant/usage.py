"""What a tenant uses of what it may, and the limits that it is given beside its plan's."""

from __future__ import annotations

from datetime import date
from typing import Any, Final
from uuid import UUID

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from billing.allowances import FEATURES, NAMES, Allowances
from billing.overrides import LimitChanges, Override
from router.api.shapes import List
from router.api.usage import Metric
from web.api import Refused
from web.console.asking import CHANGES, checked
from web.console.tenant.dossier import back_to, open_dossier, tenant_api
from web.form import EMPTY, Form, read_form
from web.rendering import number, size
from web.visitor import Visitor

TAB: Final = "/usage"
NO_LIMIT: Final = "none"
_BYTES: Final = "storage_bytes"


class _Given(msgspec.Struct, frozen=True, kw_only=True):
    """An override, with its limits as people read them."""

    override: Override
    said: str


@get("/console/tenants/{slug:str}/usage", include_in_schema=False)
async def show_usage(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """Each limit with what is used of it, what the plan says, and what was given beside."""
    await visitor.staff()
    return await _page(visitor, slug)


@post("/console/tenants/{slug:str}/usage/limits", status_code=200, include_in_schema=False)
async def give_limits(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], slug: FromPath[str]
) -> Template | Redirect:
    """It holds at once, over the plan's and over earlier ones."""
    await visitor.staff(CHANGES)
    form, body = _read(checked(await read_form(request)))
    if form.errors:
        return await _page(visitor, slug, form)
    try:
        await visitor.api.do("POST", f"{tenant_api(slug)}/limits", body, change=form.change)
    except Refused as refused:
        return await _page(visitor, slug, form.refused(refused))
    return back_to(visitor, slug, TAB, said="The limit holds now.")


@post(
    "/console/tenants/{slug:str}/usage/end/{override_id:uuid}",
    status_code=200,
    include_in_schema=False,
)
async def end_limits(
    visitor: NamedDependency[Visitor],
    request: Request[Any, Any, Any],
    slug: FromPath[str],
    override_id: FromPath[UUID],
) -> Template | Redirect:
    """What was given is kept, with the time of its end."""
    await visitor.staff(CHANGES)
    form = checked(await read_form(request))
    if form.errors:
        return await _page(visitor, slug, form, ended=override_id)
    path = f"{tenant_api(slug)}/limits/{override_id}"
    try:
        await visitor.api.do("DELETE", path, change=form.change)
    except Refused as refused:
        return await _page(visitor, slug, form.refused(refused), ended=override_id)
    return back_to(visitor, slug, TAB, said="The plan's limit holds again.")


def _read(form: Form) -> tuple[Form, dict[str, object]]:
    """Return what is asked of the API, and the form with what can't be asked of it."""
    name, typed, until = form.text("limit"), form.text("value"), form.text("until")
    value: object = None
    if name == FEATURES:
        given = [each.strip() for each in typed.split(",")]
        value = [] if typed == NO_LIMIT else [each for each in given if each]
    elif typed != NO_LIMIT:
        value = form.whole("value")
        if not isinstance(value, int):
            form = form.wrong(value=f"Write a whole number, or {NO_LIMIT} for no limit.")
    if until and _day(until) is None:
        form = form.wrong(until="Write a day, as 2026-12-31.")
    ends = {"until": f"{until}T00:00:00Z"} if until else {}
    return form, {"limits": {name: value}, **ends}


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


async def _page(
    visitor: Visitor, slug: str, form: Form = EMPTY, *, ended: UUID | None = None
) -> Template:
    dossier, api = await open_dossier(visitor, slug), visitor.api
    overrides = await api.get(f"{dossier.api}/limits", List[Override], {"ended": "true"})
    given = {
        "metrics": (await api.get(f"{dossier.api}/usage", List[Metric])).items,
        "allowances": await api.get(f"{dossier.api}/allowances", Allowances),
        "overrides": [_Given(override=each, said=told(each.limits)) for each in overrides.items],
        "names": [(each, each.replace("_", " ")) for each in (*NAMES, FEATURES)],
        "given": EMPTY if ended else form,
        "ended": ended,
        "empty_form": EMPTY,
    }
    return dossier.page(TAB, given, form=form)


def told(limits: LimitChanges) -> str:
    """Spell the limits of an override."""
    given: dict[str, Any] = msgspec.to_builtins(limits)
    return ", ".join(f"{name.replace('_', ' ')} {_spelled(name, given[name])}" for name in given)


def _spelled(name: str, value: int | list[str] | None) -> str:
    if value is None:
        return "without limit"
    if isinstance(value, list):
        return ", ".join(value) or "none"
    return size(value) if name == _BYTES else number(value)
