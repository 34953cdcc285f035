"""One onboarding: a page for each stage, saved at every step, and what goes on behind it."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, ServerSentEvent, ServerSentEventMessage, Template

from billing.routes import PlanShown
from router.api.fleet import ClusterShown
from router.api.onboarding import Act, OnboardingShown
from router.api.shapes import List
from router.catalog.move_words import MOVE, MoveDocument
from router.catalog.onboarding_words import STAGES, PlaceKind, Sheet, Source, Stage
from router.errors import NotFound
from router.words import ClusterRole, Tier
from web.api import Change, Refused
from web.form import EMPTY, Form, read_form
from web.live import part_of
from web.sales.begin import API, SELLERS
from web.sales.filling import SAVED_AS, beside, body_of, filled, own_name
from web.visitor import NO_SUCH_PAGE, Visitor

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from web.live import Part

PART = "sales/parts/progress.html"
LOOK_S = 0.5
#: The stream ends by itself before the gateway would break it off; the browser asks again.
WATCH_S_MAX = 60.0
THEN_FIELD = "then"
_DONE = {
    Act.ADVANCE: "The onboarding goes on.",
    Act.BACK: "The onboarding is a stage back.",
    Act.APPROVE: "It is approved.",
    Act.BEGIN: "The tenant is on its way to its place.",
    Act.CHECK: "The checks are running.",
    Act.CLOSE: "The onboarding is closed.",
}
_KINDS = ((PlaceKind.CLUSTER, "a cluster of ours"), (PlaceKind.OWN, "the customer's own server"))
_SOURCES = (
    (Source.WORKSPACE, "the workspace that they have"),
    (Source.NEW, "nothing yet"),
    (Source.ARCHIVE, "an archive"),
)


@get("/sales/{onboarding_id:uuid}", include_in_schema=False)
async def to_stage(visitor: NamedDependency[Visitor], onboarding_id: FromPath[UUID]) -> Redirect:
    """Leads to the stage that it is at."""
    await visitor.staff()
    shown = await _get(visitor, onboarding_id)
    return visitor.to(_path(shown, shown.line.stage), said=visitor.said)


@get("/sales/{onboarding_id:uuid}/watch", include_in_schema=False)
async def watch(
    visitor: NamedDependency[Visitor],
    request: Request[Any, Any, Any],
    onboarding_id: FromPath[UUID],
) -> ServerSentEvent:
    """What goes on behind the page, rendered; at the end the page is asked for once more."""
    await visitor.staff()
    await _get(visitor, onboarding_id)
    return ServerSentEvent(_parts(visitor, onboarding_id, part_of(request, PART)))


@get("/sales/{onboarding_id:uuid}/receipt", include_in_schema=False)
async def download(
    visitor: NamedDependency[Visitor], onboarding_id: FromPath[UUID]
) -> Response[bytes]:
    """The acceptance sheet as a file, to the byte what its sum was taken of."""
    await visitor.staff()
    sheet = await visitor.api.get(f"{API}/{onboarding_id}/receipt", Sheet)
    name = f"acceptance-{sheet.slug}.json"
    return Response(
        msgspec.json.encode(sheet),
        media_type="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@get("/sales/{onboarding_id:uuid}/{stage:str}", include_in_schema=False)
async def show_stage(
    visitor: NamedDependency[Visitor], onboarding_id: FromPath[UUID], stage: FromPath[str]
) -> Template:
    """A stage that isn't reached yet isn't there yet."""
    await visitor.staff()
    shown, wanted = await _get(visitor, onboarding_id), _stage(stage)
    return await _page(visitor, shown, wanted, filled(shown, wanted))


@post("/sales/{onboarding_id:uuid}/{stage:str}", status_code=200, include_in_schema=False)
async def save(
    visitor: NamedDependency[Visitor],
    request: Request[Any, Any, Any],
    onboarding_id: FromPath[UUID],
    stage: FromPath[str],
) -> Template | Redirect:
    """Saves what was typed, and goes on if that was the button."""
    await visitor.staff(*SELLERS)
    wanted, form = _stage(stage), await read_form(request)
    if wanted not in SAVED_AS:
        raise NotFound(NO_SUCH_PAGE)
    path = f"{API}/{onboarding_id}"
    try:
        saved = await visitor.api.change(
            "PUT",
            f"{path}/{SAVED_AS[wanted]}",
            body_of(form, wanted),
            wanted=OnboardingShown,
            change=form.change,
        )
    except Refused as refused:
        return await _refused(visitor, onboarding_id, wanted, own_name(form.refused(refused)))
    then = form.text(THEN_FIELD)
    if then not in {Act.ADVANCE, Act.BEGIN}:
        return visitor.to(_path(saved, wanted), said="It is saved.")
    return await _do(visitor, saved, Act(then), form)


@post("/sales/{onboarding_id:uuid}/act/{act:str}", status_code=200, include_in_schema=False)
async def act(
    visitor: NamedDependency[Visitor],
    request: Request[Any, Any, Any],
    onboarding_id: FromPath[UUID],
    act: FromPath[str],
) -> Template | Redirect:
    """Advances it, goes back, approves, begins, checks or closes it."""
    await visitor.staff(*SELLERS)
    if act not in set(Act):
        raise NotFound(NO_SUCH_PAGE)
    form, shown = await read_form(request), await _get(visitor, onboarding_id)
    if act == Act.CLOSE and form.text("confirm") != shown.line.name:
        form = form.wrong(confirm=f"Type {shown.line.name} to confirm.")
        typed = filled(shown, shown.line.stage)
        form = msgspec.structs.replace(form, values={**typed.values, **form.values})
        return await _page(visitor, shown, shown.line.stage, form)
    seen = form.whole("version")
    return await _do(visitor, shown, Act(act), form, version=seen)


async def _do(
    visitor: Visitor,
    shown: OnboardingShown,
    act: Act,
    form: Form,
    *,
    version: int | str | None = None,
) -> Template | Redirect:
    given = form.change
    # The key that saved the form can't do a second thing.
    key = None if given.key is None else f"{given.key}.{act.value}"
    body = {"version": shown.line.version if version is None else version}
    try:
        acted = await visitor.api.change(
            "POST",
            f"{API}/{shown.line.id}/{act.value}",
            body,
            wanted=OnboardingShown,
            change=Change(reason=given.reason, key=key),
        )
    except Refused as refused:
        stage = shown.line.stage
        typed = filled(shown, stage)
        form = msgspec.structs.replace(form, values={**typed.values, **form.values})
        form = form.refused(refused)
        if refused.is_(HTTPStatus.CONFLICT) and act in {Act.ADVANCE, Act.BEGIN}:
            form = beside(form, await _get(visitor, shown.line.id))
        return await _refused(visitor, shown.line.id, stage, form)
    return visitor.to(_path(acted, acted.line.stage), said=_DONE[act])


async def _refused(visitor: Visitor, onboarding_id: UUID, stage: Stage, form: Form) -> Template:
    """Show the form again with all that was typed; it is of the newest version from now on."""
    shown = await _get(visitor, onboarding_id)
    values = {**filled(shown, stage).values, **form.values, "version": str(shown.line.version)}
    return await _page(visitor, shown, stage, msgspec.structs.replace(form, values=values))


async def _page(
    visitor: Visitor, shown: OnboardingShown, stage: Stage, form: Form = EMPTY
) -> Template:
    if not _is_reached(shown.line.stage, stage):
        raise NotFound(NO_SUCH_PAGE)
    me = await visitor.known()
    is_open = stage is shown.line.stage or (stage is Stage.DRAFT and not shown.line.stage.is_ended)
    given = {
        "onboarding": shown,
        "stage": stage,
        "stages": STAGES,
        "root": f"/sales/{shown.line.id}",
        "writes": me.staff in SELLERS,
        "is_open": is_open and not shown.line.stage.is_ended,
        "is_busy": _is_busy(shown),
        **await _choices(visitor, stage),
        "move": await _move(visitor, shown),
    }
    return visitor.page(f"sales/{stage.value}.html", given, form=form)


async def _choices(visitor: Visitor, stage: Stage) -> dict[str, object]:
    """Return what a stage's fields offer."""
    given: dict[str, object] = {"plans": [], "clusters": [], "kinds": _KINDS, "sources": _SOURCES}
    if stage is Stage.CONTRACT:
        plans = await visitor.api.get("/api/plans", List[PlanShown])
        given["plans"] = [each for each in plans.items if each.tier is Tier.DATABASE]
    if stage is Stage.PROVISIONING:
        clusters = await visitor.api.get("/api/ops/clusters", List[ClusterShown])
        given["clusters"] = [
            each
            for each in clusters.items
            if each.role is ClusterRole.DEDICATED and not each.is_reserved
        ]
    return given


async def _move(visitor: Visitor, shown: OnboardingShown) -> MoveDocument | None:
    """Return what goes on, where it is a move."""
    if shown.operation is None or shown.operation.kind != MOVE:
        return None
    return await visitor.api.get(f"/api/ops/moves/{shown.operation.id}", MoveDocument)


async def _parts(
    visitor: Visitor, onboarding_id: UUID, template: Part
) -> AsyncGenerator[ServerSentEventMessage]:
    end_s, told = time.monotonic() + WATCH_S_MAX, ""
    while time.monotonic() < end_s:
        shown = await _get(visitor, onboarding_id)
        part = template.render({"onboarding": shown, "move": await _move(visitor, shown)})
        if part != told:
            yield ServerSentEventMessage(event="part", data=part)
            told = part
        if not _is_busy(shown):
            yield ServerSentEventMessage(event="end", data=_path(shown, shown.line.stage))
            return
        await asyncio.sleep(LOOK_S)


def _is_reached(now: Stage, wanted: Stage) -> bool:
    if now is Stage.CLOSED or wanted is Stage.CLOSED:
        return now is Stage.CLOSED and wanted is not Stage.LIVE
    return STAGES.index(wanted) <= STAGES.index(now)


def _is_busy(shown: OnboardingShown) -> bool:
    """Tell whether something goes on by itself that the stage waits for."""
    return shown.is_busy and shown.line.stage in {Stage.DATA, Stage.ACCEPTANCE}


async def _get(visitor: Visitor, onboarding_id: UUID) -> OnboardingShown:
    return await visitor.api.get(f"{API}/{onboarding_id}", OnboardingShown)


def _stage(text: str) -> Stage:
    if text not in set(Stage):
        raise NotFound(NO_SUCH_PAGE)
    return Stage(text)


def _path(shown: OnboardingShown, stage: Stage) -> str:
    return f"/sales/{shown.line.id}/{stage.value}"
