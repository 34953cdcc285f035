"""API keys: made, shown once, revoked for good."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from router.api.keys import KeyMade, KeyShown
from router.api.roles import RoleShown
from router.api.shapes import List
from router.errors import NotFound
from web.api import Refused
from web.form import EMPTY, Form, read_form
from web.visitor import NO_SUCH_PAGE, Visitor, Workspace
from web.workspace.members import may_give
from web.workspace.overview import address_of


@get("/w/{slug:str}/keys", include_in_schema=False)
async def show(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """The keys, without their secrets."""
    return await _keys_page(await visitor.workspace(slug))


@post("/w/{slug:str}/keys", status_code=200, include_in_schema=False)
async def make(
    visitor: NamedDependency[Visitor], slug: FromPath[str], request: Request[Any, Any, Any]
) -> Template:
    """Answers with the secret itself instead of leading on: it is kept nowhere to be shown from."""
    room, form = await visitor.workspace(slug), await read_form(request)
    body = {"name": form.text("name"), "role": form.text("role")}
    try:
        made = await room.api.change("POST", "/api/keys", body, wanted=KeyMade, change=form.change)
    except Refused as refused:
        return await _keys_page(room, form.refused(refused))
    return await _keys_page(room, made=made)


@get("/w/{slug:str}/keys/{key_id:str}/revoke", include_in_schema=False)
async def ask_revocation(
    visitor: NamedDependency[Visitor], slug: FromPath[str], key_id: FromPath[str]
) -> Template:
    """Asks once more: programs that use the key stop working."""
    room = await visitor.workspace(slug)
    return room.page("workspace/revoke_key.html", {"key": await _key(room, key_id)})


@post("/w/{slug:str}/keys/{key_id:str}/revoke", status_code=200, include_in_schema=False)
async def revoke(
    visitor: NamedDependency[Visitor], slug: FromPath[str], key_id: FromPath[str]
) -> Template | Redirect:
    """Every gateway refuses the key within a second."""
    room = await visitor.workspace(slug)
    key = await _key(room, key_id)
    try:
        await room.api.do("DELETE", f"/api/keys/{quote(key.id, safe='')}")
    except Refused as refused:
        return await _keys_page(room, EMPTY.refused(refused))
    return room.to("/keys", said=f"The key {key.name} is revoked.")


async def _keys_page(
    room: Workspace, form: Form = EMPTY, *, made: KeyMade | None = None
) -> Template:
    found = (await room.api.get("/api/keys", List[KeyShown])).items
    given = {
        "keys": [key for key in found if key.revoked_at is None],
        "revoked": [key for key in found if key.revoked_at is not None],
        "roles": await _roles(room),
        "made": made,
        "address": address_of(room.visitor.web, room.tenant.slug),
    }
    return room.page("workspace/keys.html", given, form=form)


async def _roles(room: Workspace) -> list[str]:
    if not room.allows("keys.write") or not room.allows("members.read"):
        return []
    listed = (await room.api.get("/api/roles", List[RoleShown])).items
    return [role.name for role in listed if may_give(room, role)]


async def _key(room: Workspace, key_id: str) -> KeyShown:
    found = (await room.api.get("/api/keys", List[KeyShown])).items
    for key in found:
        if key.id == key_id and key.revoked_at is None:
            return key
    raise NotFound(NO_SUCH_PAGE)
