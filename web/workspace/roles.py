"""Roles: what each allows, and those that the workspace makes for itself."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from router.api.features import CUSTOM_ROLES
from router.api.roles import RoleShown
from router.api.shapes import List
from router.catalog.roles import Permission
from web.api import Refused
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor, Workspace

NAME_LENGTH_MAX = 40
_SAID = {
    Permission.ROWS_READ: "Read rows",
    Permission.ROWS_WRITE: "Write rows",
    Permission.MEMBERS_READ: "See members",
    Permission.MEMBERS_WRITE: "Invite, change and remove members",
    Permission.KEYS_READ: "See API keys",
    Permission.KEYS_WRITE: "Make and revoke API keys",
    Permission.BILLING_READ: "See plan and billing",
    Permission.BILLING_WRITE: "Buy, change and cancel",
    Permission.SETTINGS_WRITE: "Change roles and settings",
    Permission.AUDIT_READ: "Read the audit",
}


@get("/w/{slug:str}/roles", include_in_schema=False)
async def show(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """All roles."""
    return await _roles_page(await visitor.workspace(slug))


@post("/w/{slug:str}/roles", status_code=200, include_in_schema=False)
async def put(
    visitor: NamedDependency[Visitor], slug: FromPath[str], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Makes a role, or changes the one of this name."""
    room, form = await visitor.workspace(slug), await read_form(request)
    name = form.text("name")
    if not name or len(name) > NAME_LENGTH_MAX or "/" in name:
        said = f"A role's name has 1 to {NAME_LENGTH_MAX} of a-z, 0-9 and -."
        return await _roles_page(room, form.wrong(name=said))
    body = {"permissions": form.chosen("permissions")}
    try:
        await room.api.change("PUT", _path(name), body, wanted=RoleShown, change=form.change)
    except Refused as refused:
        return await _roles_page(room, form.refused(refused))
    return room.to("/roles", said=f"The role {name} holds as it is now, within a second.")


@post("/w/{slug:str}/roles/{name:str}/remove", status_code=200, include_in_schema=False)
async def remove(
    visitor: NamedDependency[Visitor], slug: FromPath[str], name: FromPath[str]
) -> Template | Redirect:
    """Asks nothing more: only a role that nobody has can go."""
    room = await visitor.workspace(slug)
    try:
        await room.api.do("DELETE", _path(name))
    except Refused as refused:
        return await _roles_page(room, EMPTY.refused(refused))
    return room.to("/roles", said=f"The role {name} is removed.")


async def _roles_page(room: Workspace, form: Form = EMPTY) -> Template:
    listed = (await room.api.get("/api/roles", List[RoleShown])).items
    given = {
        "roles": listed,
        "permissions": [(each.value, said) for each, said in _SAID.items()],
        "said": {each.value: said for each, said in _SAID.items()},
        "may_change": room.allows(Permission.SETTINGS_WRITE),
        "has_feature": CUSTOM_ROLES in room.tenant.limits.features,
    }
    return room.page("workspace/roles.html", given, form=form)


def _path(name: str) -> str:
    return f"/api/roles/{quote(name, safe='')}"
