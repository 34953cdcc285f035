"""A tenant's rows as its product's routes tell them, asked for with what was entered here."""

from __future__ import annotations

import contextlib
from http import HTTPStatus
from typing import Any
from uuid import UUID

import httpx
import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from router.catalog.access_words import Access, AccessMode
from web.api import Api, Refused
from web.console.asking import CHANGES, Filter
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor, own_path

SHOWN_BYTES_MAX = 200_000
METHODS = ("POST", "PATCH", "PUT", "DELETE")
_ENDED = "The access has ended."
_NO_PATH = "A route is a path of the product, which begins with one /."
_PATH = "path"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """What a route answered."""

    status: int
    text: str
    is_cut: bool


@get("/console/access/{access_id:uuid}/rows", include_in_schema=False)
async def show_rows(
    visitor: NamedDependency[Visitor], access_id: FromPath[UUID], path: Filter = ""
) -> Template | Redirect:
    """What a GET of the product's route answers."""
    await visitor.staff()
    api = _api(visitor, access_id)
    if api is None:
        return visitor.to(f"/console/access/{access_id}", said=_ENDED)
    form = Form(values={_PATH: path})
    if not path:
        return await _page(visitor, access_id, form, None)
    if own_path(path) != path:
        return await _page(visitor, access_id, form.wrong(path=_NO_PATH), None)
    try:
        async with api.stream(path) as answer:
            shown = await _shown(answer)
    except Refused as refused:
        if refused.is_(HTTPStatus.UNAUTHORIZED):
            return visitor.leaving(f"/console/access/{access_id}")
        return await _page(visitor, access_id, form.said(refused), None)
    return await _page(visitor, access_id, form, shown)


@post("/console/access/{access_id:uuid}/rows/change", status_code=200, include_in_schema=False)
async def change_rows(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], access_id: FromPath[UUID]
) -> Template | Redirect:
    """Sends a change to the product's route, once however often the form is sent."""
    await visitor.staff(CHANGES)
    form, api = await read_form(request), _api(visitor, access_id)
    if api is None:
        return visitor.to(f"/console/access/{access_id}", said=_ENDED)
    form, body = _checked(form)
    if form.errors:
        return await _page(visitor, access_id, form, None)
    try:
        answer = await api.send(form.text("method"), form.text(_PATH), body, change=form.change)
    except Refused as refused:
        if refused.is_(HTTPStatus.UNAUTHORIZED):
            return visitor.leaving(f"/console/access/{access_id}")
        return await _page(visitor, access_id, form.said(refused), None)
    return await _page(visitor, access_id, form, _spelled(answer.content, answer.status_code))


def _api(visitor: Visitor, access_id: UUID) -> Api | None:
    """Return the way to the rows; None where this access wasn't entered in this browser."""
    here = visitor.access
    if here is None or here.id != access_id:
        return None
    return visitor.api.with_token(here.token).within(here.slug)


def _checked(form: Form) -> tuple[Form, object]:
    body: object = None
    if form.text("method") not in METHODS:
        form = form.wrong(method="Choose one of these.")
    if own_path(form.text(_PATH)) != form.text(_PATH):
        form = form.wrong(path=_NO_PATH)
    if form.text("body"):
        try:
            body = msgspec.json.decode(form.text("body"))
        except msgspec.DecodeError as error:
            form = form.wrong(body=f"This is no JSON: {error}.")
    return form, body


async def _shown(answer: httpx.Response) -> Shown:
    content = b""
    async for piece in answer.aiter_bytes():
        content += piece
        if len(content) > SHOWN_BYTES_MAX:
            break
    return _spelled(content, answer.status_code)


def _spelled(content: bytes, status: int) -> Shown:
    is_cut = len(content) > SHOWN_BYTES_MAX
    # Not every route answers with JSON: what else it says is shown as it is.
    with contextlib.suppress(msgspec.DecodeError):
        content = content if is_cut else msgspec.json.format(content, indent=2)
    text = content[:SHOWN_BYTES_MAX].decode("utf-8", errors="replace")
    return Shown(status=status, text=text, is_cut=is_cut)


async def _page(visitor: Visitor, access_id: UUID, form: Form, shown: Shown | None) -> Template:
    known = await visitor.api.get(f"/api/ops/access/{access_id}", Access)
    given = {
        "access": known,
        "shown": shown,
        "methods": [(each, each) for each in METHODS],
        "may_write": known.mode is AccessMode.WRITE,
        "asked": form if "method" not in form.values else EMPTY,
        "sent": form if "method" in form.values else EMPTY,
    }
    return visitor.page("staff/rows.html", given, form=form)
