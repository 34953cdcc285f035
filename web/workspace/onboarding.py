"""The way in: a further workspace, and the first page of a new one."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, ServerSentEvent, Template

from billing.routes import PlanShown
from router.api.shapes import List
from router.api.signup import DEFAULT_PLAN, SignedUp
from router.api.tenant import TenantWhole
from router.catalog.roles import Permission
from router.names import NAME_LENGTH_MAX
from router.words import TenantStatus, Tier
from web.api import Refused
from web.form import EMPTY, Form, read_form
from web.live import part_of, poll_parts
from web.slugs import slug_of
from web.visitor import Visitor

PART = "workspace/parts/making.html"
WORD_LENGTH_MAX = 100
PlanName = Annotated[str, QueryParameter(name="plan", max_length=WORD_LENGTH_MAX)]
#: What was typed at sign-up, before the address was proved.
Typed = Annotated[str, QueryParameter(name="name", max_length=NAME_LENGTH_MAX)]
TypedSlug = Annotated[str, QueryParameter(name="slug", max_length=WORD_LENGTH_MAX)]
_PLACES = {
    None: "Its place is chosen.",
    Tier.ROWS: "Its place in shared tables is made.",
    Tier.SCHEMA: "Its schema is made, with tables of its own.",
    Tier.DATABASE: "Its database is made, with tables of its own.",
}


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that has to be there before the workspace is."""

    said: str
    is_done: bool


def stages_of(tenant: TenantWhole) -> list[Stage]:
    """Say what of a new workspace is there, as the catalog has it."""
    is_ready = tenant.status is not TenantStatus.PROVISIONING
    is_made = is_ready or (tenant.operation is not None and tenant.operation.step is not None)
    return [
        Stage(said=f"The workspace {tenant.name} is recorded.", is_done=True),
        Stage(said=_PLACES[tenant.tier], is_done=is_made),
        Stage(said="It answers requests.", is_done=is_ready),
    ]


@get("/onboarding/workspace", include_in_schema=False)
async def name_workspace(
    visitor: NamedDependency[Visitor],
    plan: PlanName = "",
    typed: Typed = "",
    typed_slug: TypedSlug = "",
) -> Template | Redirect:
    """Two questions; the plan is one more only for whoever didn't come from the price list."""
    await visitor.known()
    form = msgspec.structs.replace(EMPTY, values={"name": typed, "slug": typed_slug})
    return await _naming_page(visitor, form, plan)


@post("/onboarding/workspace", status_code=200, include_in_schema=False)
async def make_workspace(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Whoever chose a plan that costs something goes on to pay; the workspace is there by then."""
    await visitor.known()
    form = await read_form(request)
    name, plan = form.text("name"), form.text("plan") or DEFAULT_PLAN
    body = {"name": name, "slug": form.text("slug").lower() or slug_of(name), "plan": plan}
    try:
        made = await visitor.api.change(
            "POST", "/api/workspaces", body, wanted=SignedUp, change=form.change
        )
    except Refused as refused:
        return await _naming_page(visitor, form.refused(refused), form.text("chosen"))
    await visitor.give_way(made.token)
    where = made.checkout_url or f"/w/{made.tenant.slug}/welcome"
    return visitor.entered(made.token, made.expires_at, where)


@get("/w/{slug:str}/welcome", include_in_schema=False)
async def welcome(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """What is made, and whom to bring along; everything here may be left out."""
    room = await visitor.workspace(slug)
    given = {
        "stages": stages_of(room.tenant),
        "is_ready": room.tenant.status is not TenantStatus.PROVISIONING,
        "invites": room.allows(Permission.MEMBERS_WRITE),
    }
    return room.page("workspace/welcome.html", given)


@get("/w/{slug:str}/welcome/live", include_in_schema=False)
async def watch(
    visitor: NamedDependency[Visitor], slug: FromPath[str], request: Request[Any, Any, Any]
) -> ServerSentEvent:
    """Each thing as it is there; then the page is asked for once more."""
    room, part = await visitor.workspace(slug), part_of(request, PART)

    async def look() -> list[Stage]:
        return stages_of(await room.api.get("/api/tenant", TenantWhole))

    return ServerSentEvent(
        poll_parts(
            look,
            lambda stages: part.render({"stages": stages}),
            lambda stages: all(stage.is_done for stage in stages),
            page=f"{room.root}/welcome",
        )
    )


async def _naming_page(visitor: Visitor, form: Form, plan: str) -> Template:
    listed = (await visitor.api.get("/api/plans", List[PlanShown])).items
    plans = [(each.name, each.title) for each in listed if not each.is_contract]
    given = {
        "plans": plans,
        "chosen": next(((name, title) for name, title in plans if name == plan), None),
        "site": visitor.web.base_domain,
    }
    return visitor.page("onboarding.html", given, form=form)
