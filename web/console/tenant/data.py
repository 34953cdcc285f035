"""What a tenant stores, counted and never shown, and the archives of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Final

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template

from billing.routes import PlanShown
from router.api.ops_archives import OpsExport, RestoreBegun
from router.api.shapes import List
from router.catalog.move_words import TableSize
from web.api import Refused
from web.console.asking import CHANGES, Filter, by_act, checked, segment
from web.console.tenant.dossier import back_to, open_dossier, tenant_api
from web.form import EMPTY, Form, read_form
from web.rendering import moment
from web.visitor import Visitor

TAB: Final = "/data"
ARCHIVE, RESTORE = "archive", "restore"
EXPORTS_SHOWN_MAX = 10


@get("/console/tenants/{slug:str}/data", include_in_schema=False)
async def show_data(
    visitor: NamedDependency[Visitor],
    slug: FromPath[str],
    *,
    counted: Annotated[bool, QueryParameter()] = False,
    after: Filter = "",
) -> Template:
    """What there is; its rows are counted for whoever asks, for each of them is read."""
    await visitor.staff()
    tables, problem = await _count(visitor, slug) if counted else (None, "")
    return await _page(visitor, slug, tables=tables, tables_problem=problem, after=after)


@post("/console/tenants/{slug:str}/data/archive", status_code=200, include_in_schema=False)
async def take_archive(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], slug: FromPath[str]
) -> Template | Redirect:
    """It lies where the tenant's own do."""
    await visitor.staff(CHANGES)
    form = checked(await read_form(request))
    if form.errors:
        return await _page(visitor, slug, act=ARCHIVE, form=form)
    try:
        await visitor.api.do("POST", f"{tenant_api(slug)}/exports", change=form.change)
    except Refused as refused:
        return await _page(visitor, slug, act=ARCHIVE, form=form.refused(refused))
    return back_to(visitor, slug, TAB, said="An archive is being taken.")


@post("/console/tenants/{slug:str}/data/restore", status_code=200, include_in_schema=False)
async def restore_archive(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], slug: FromPath[str]
) -> Template | Redirect:
    """Leads to the tenant that is made of it; nothing is restored over one that is there."""
    await visitor.staff(CHANGES)
    form = checked(await read_form(request))
    if form.errors:
        return await _page(visitor, slug, act=RESTORE, form=form)
    path = f"{tenant_api(slug)}/exports/{segment(form.text('archive'))}/restore"
    body = {
        "slug": form.text("slug"),
        "plan": form.optional("plan"),
        "owner_email": form.optional("owner_email"),
    }
    try:
        begun = await visitor.api.change(
            "POST", path, body, wanted=RestoreBegun, change=form.change
        )
    except Refused as refused:
        return await _page(visitor, slug, act=RESTORE, form=form.refused(refused))
    return back_to(visitor, begun.tenant.slug, "", said="It is being filled from the archive.")


async def _count(visitor: Visitor, slug: str) -> tuple[list[TableSize] | None, str]:
    """Count; what can't be counted now takes nothing else from the page."""
    try:
        found = await visitor.api.get(f"{tenant_api(slug)}/tables", List[TableSize])
    except Refused as refused:
        if refused.is_(HTTPStatus.NOT_FOUND) or refused.is_(HTTPStatus.UNAUTHORIZED):
            raise
        return None, EMPTY.refused(refused).problem or ""
    return found.items, ""


async def _page(  # noqa: PLR0913 - each is one part of the page
    visitor: Visitor,
    slug: str,
    *,
    act: str | None = None,
    form: Form = EMPTY,
    tables: list[TableSize] | None = None,
    tables_problem: str = "",
    after: str = "",
) -> Template:
    dossier = await open_dossier(visitor, slug, has_size=True)
    asked: dict[str, str | int | None] = {
        "limit": EXPORTS_SHOWN_MAX,
        "after": after.strip() or None,
    }
    exports = await visitor.api.get(f"{dossier.api}/exports", List[OpsExport], asked)
    given = {
        "exports": exports,
        "files": [
            (str(each.export.id), f"as of {moment(each.export.taken_at)}")
            for each in exports.items
            if each.export.has_file
        ],
        "plans": (await visitor.api.get("/api/plans", List[PlanShown])).items,
        "forms": by_act((ARCHIVE, RESTORE), act, form),
        "tables": tables,
        "tables_problem": tables_problem,
    }
    return dossier.page(TAB, given, form=form)
