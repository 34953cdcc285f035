"""Migrations: who has which revision, one migration as it happens, and its reins."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, ServerSentEvent, Template

from router.api.migrations import MigrationsShown
from router.api.shapes import List
from router.catalog.wave_matrix import Cell, LedgerLine
from router.catalog.wave_words import EntryState, MigrationDocument, MigrationState
from router.errors import NotFound
from router.words import Tier
from web.api import Refused
from web.console.asking import CHANGES, Filter, address, by_act, checked, chosen
from web.form import EMPTY, Form, read_form
from web.live import Live, part_of, stream_parts
from web.visitor import NO_SUCH_PAGE, Visitor

PART = "console/parts/migration.html"
BEGIN, CANCEL = "begin", "cancel"
_DONE = {
    "pause": "The migration stops after the places at which it works now.",
    "resume": "The migration goes on.",
    "retry": "What failed is tried again.",
    CANCEL: "The migration has ended where it stood.",
}
_AT_WORK = frozenset({MigrationState.RUNNING, MigrationState.PAUSED})
_OPEN = _AT_WORK | {MigrationState.HALTED}
_BETWEEN = re.compile(r"[\s,]+")


@get("/console/migrations", include_in_schema=False)
async def show_migrations(visitor: NamedDependency[Visitor], after: Filter = "") -> Template:
    """The matrix of the whole fleet, and the migrations, the newest first."""
    await visitor.staff()
    return await _list_page(visitor, after=after)


@post("/console/migrations", status_code=200, include_in_schema=False)
async def begin_migration(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Leads to the migration that was begun, where it can be watched."""
    await visitor.staff(CHANGES)
    form = checked(await read_form(request))
    if form.errors:
        return await _list_page(visitor, form=form)
    try:
        begun = await visitor.api.change(
            "POST",
            "/api/ops/migrations",
            _body(form),
            wanted=MigrationDocument,
            change=form.change,
        )
    except Refused as refused:
        return await _list_page(visitor, form=form.refused(refused))
    return visitor.to(_path(begun.id), said="The migration has begun.")


@get("/console/migrations/{migration_id:uuid}", include_in_schema=False)
async def show_migration(
    visitor: NamedDependency[Visitor], migration_id: FromPath[UUID]
) -> Template:
    """As it stands now; its middle goes on by itself while it runs."""
    await visitor.staff()
    return await _migration_page(visitor, migration_id)


@get("/console/migrations/{migration_id:uuid}/places", include_in_schema=False)
async def show_places(
    visitor: NamedDependency[Visitor],
    migration_id: FromPath[UUID],
    *,
    entry: Filter = "",
    wave: Filter = "",
    after: Filter = "",
) -> Template:
    """One line for each revision in each place, with what keeps it from being further."""
    await visitor.staff()
    filters = chosen(entry=entry, wave=wave, after=after)
    path = f"/api/ops/migrations/{migration_id}"
    migration = await visitor.api.get(path, MigrationDocument)
    lines = await visitor.api.get(f"{path}/places", List[LedgerLine], filters)
    given = {
        "migration": migration,
        "lines": lines,
        "states": list(EntryState),
        "filters": filters,
        "address": address(f"{_path(migration_id)}/places", filters),
    }
    return visitor.page("console/migration_places.html", given)


@get("/console/migrations/{migration_id:uuid}/live", include_in_schema=False)
async def watch_migration(
    visitor: NamedDependency[Visitor],
    request: Request[Any, Any, Any],
    migration_id: FromPath[UUID],
) -> ServerSentEvent:
    """The API's own events, rendered; at the end the page is asked for once more."""
    await visitor.staff()
    path = f"/api/ops/migrations/{migration_id}"
    migration = await visitor.api.get(path, MigrationDocument)
    part, live = part_of(request, PART), Live(events=f"{path}/events", page=_path(migration_id))
    # Whoever looks at one that waits for somebody sees other buttons once it goes on.
    before = migration.state
    return ServerSentEvent(
        stream_parts(
            visitor.api,
            live,
            MigrationDocument,
            lambda told: part.render({"migration": told}),
            lambda told: told.state is not before or told.state not in _AT_WORK,
        )
    )


@post("/console/migrations/{migration_id:uuid}/{act:str}", status_code=200, include_in_schema=False)
async def change_migration(
    visitor: NamedDependency[Visitor],
    request: Request[Any, Any, Any],
    migration_id: FromPath[UUID],
    act: FromPath[str],
) -> Template | Redirect:
    """Pauses it, goes on, tries again, or ends it; who ends it types the word."""
    await visitor.staff(CHANGES)
    if act not in _DONE:
        raise NotFound(NO_SUCH_PAGE)
    form = checked(await read_form(request), confirm=CANCEL if act == CANCEL else None)
    if form.errors:
        return await _migration_page(visitor, migration_id, act=act, form=form)
    path = f"/api/ops/migrations/{migration_id}/{act}"
    try:
        await visitor.api.do("POST", path, change=form.change)
    except Refused as refused:
        return await _migration_page(visitor, migration_id, act=act, form=form.refused(refused))
    return visitor.to(_path(migration_id), said=_DONE[act])


def _path(migration_id: UUID) -> str:
    return f"/console/migrations/{migration_id}"


def _body(form: Form) -> dict[str, object]:
    """Return what was typed as the API takes it; what is no number is refused there."""
    body: dict[str, object] = {
        "to": form.optional("to"),
        "canaries": _words(form.text("canaries")),
        "percents": [int(w) if w.isascii() and w.isdigit() else w for w in _percents(form)],
        "wave_max": form.whole("wave_max"),
    }
    for name in ("jobs", "halt_after"):
        if form.optional(name) is not None:
            body[name] = form.whole(name)
    return body


def _percents(form: Form) -> list[str]:
    return _words(form.text("percents").replace("%", " "))


def _words(text: str) -> list[str]:
    return [each for each in _BETWEEN.split(text) if each]


async def _list_page(visitor: Visitor, *, after: str = "", form: Form = EMPTY) -> Template:
    asked = chosen(after=after)
    told = await visitor.api.get("/api/ops/migrations", MigrationsShown, asked)
    newest = told if not after else await visitor.api.get("/api/ops/migrations", MigrationsShown)
    open_ = next((each for each in newest.items if each.state in _OPEN), None)
    given = {
        "told": told,
        "open": open_,
        "columns": _columns(told.matrix),
        "lines": _lines(told),
        "revisions": [(each, each) for each in reversed(told.revisions)],
        "forms": by_act((BEGIN,), BEGIN, form),
    }
    return visitor.page("console/migrations.html", given, form=form)


def _columns(matrix: list[Cell]) -> list[tuple[str, Tier]]:
    return sorted({(cell.cluster, cell.tier) for cell in matrix})


def _lines(told: MigrationsShown) -> list[tuple[str, list[Cell]]]:
    """Return the matrix line by line, the newest revision first."""
    by_key = {(cell.revision, cell.cluster, cell.tier): cell for cell in told.matrix}
    return [
        (revision, [by_key[revision, *column] for column in _columns(told.matrix)])
        for revision in reversed(told.revisions)
    ]


async def _migration_page(
    visitor: Visitor, migration_id: UUID, *, act: str | None = None, form: Form = EMPTY
) -> Template:
    migration = await visitor.api.get(f"/api/ops/migrations/{migration_id}", MigrationDocument)
    given = {
        "migration": migration,
        "is_at_work": migration.state in _AT_WORK,
        "is_failed": any(each.failed for each in migration.waves),
        "forms": by_act(tuple(_DONE), act, form),
    }
    return visitor.page("console/migration.html", given, form=form)
