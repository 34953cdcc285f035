"""Whom sales brings in: the list, and a new draft."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect, Template

from router.api.onboarding import OnboardingLine, OnboardingShown
from router.api.shapes import List
from router.catalog.credentials import StaffRole
from router.catalog.onboarding_words import Stage
from web.api import Refused
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor

API = "/api/ops/onboardings"
#: Who may change something; all of the staff may look.
SELLERS = (StaffRole.SALES, StaffRole.OPERATOR)
Filter = Annotated[str, QueryParameter(max_length=254)]


@get("/sales", include_in_schema=False)
async def show_list(
    visitor: NamedDependency[Visitor],
    *,
    stage: Filter = "",
    owner: Filter = "",
    after: Filter = "",
) -> Template:
    """The newest first, with stage, owner and the day by which it shall be live."""
    await visitor.staff()
    filters = {"stage": stage or None, "owner": owner.strip() or None, "after": after or None}
    found = await visitor.api.get(API, List[OnboardingLine], filters)
    given = {"onboardings": found, "stages": list(Stage), "filters": filters}
    return visitor.page("sales/list.html", given)


@get("/sales/new", include_in_schema=False)
async def new_page(visitor: NamedDependency[Visitor]) -> Template:
    """Asks for a name; everything else is saved stage by stage."""
    me = await visitor.staff(*SELLERS)
    return _page(visitor, Form(values={"owner": me.user.email}))


@post("/sales/new", status_code=200, include_in_schema=False)
async def create(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Leads to the draft; sent twice, to the same one."""
    await visitor.staff(*SELLERS)
    form = await read_form(request)
    body = {
        "name": form.text("name"),
        "owner": form.text("owner"),
        "due_on": form.optional("due_on"),
        "workspace": form.text("workspace"),
    }
    try:
        made = await visitor.api.change(
            "POST", API, body, wanted=OnboardingShown, change=form.change
        )
    except Refused as refused:
        return _page(visitor, form.refused(refused))
    return visitor.to(f"/sales/{made.line.id}/draft", said="The draft is saved.")


def _page(visitor: Visitor, form: Form = EMPTY) -> Template:
    return visitor.page("sales/new.html", form=form)
