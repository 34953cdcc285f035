"""Members and invitations: who may enter the workspace, in which role."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from router.api.invitations import InvitationMade, InvitationShown
from router.api.members import Member
from router.api.roles import RoleShown
from router.api.shapes import List
from router.catalog.roles import OWNER
from router.errors import NotFound
from web.api import Refused
from web.form import EMPTY, Form, read_form
from web.visitor import NO_SUCH_PAGE, Visitor, Workspace


@get("/w/{slug:str}/members", include_in_schema=False)
async def show(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """Who is in, and who is asked in."""
    return await members_page(await visitor.workspace(slug))


@post("/w/{slug:str}/members/invite", status_code=200, include_in_schema=False)
async def invite(
    visitor: NamedDependency[Visitor], slug: FromPath[str], request: Request[Any, Any, Any]
) -> Template:
    """Shows the token this once; a second invitation of an address ends the first."""
    room, form = await visitor.workspace(slug), await read_form(request)
    body = {"email": form.text("email"), "role": form.text("role")}
    try:
        made = await room.api.change(
            "POST", "/api/invitations", body, wanted=InvitationMade, change=form.change
        )
    except Refused as refused:
        return await members_page(room, form.refused(refused))
    return await members_page(room, made=made)


@post(
    "/w/{slug:str}/members/invitations/{invitation_id:uuid}/withdraw",
    status_code=200,
    include_in_schema=False,
)
async def withdraw(
    visitor: NamedDependency[Visitor], slug: FromPath[str], invitation_id: FromPath[UUID]
) -> Template | Redirect:
    """The token opens nothing any more."""
    room = await visitor.workspace(slug)
    try:
        await room.api.do("DELETE", f"/api/invitations/{invitation_id}")
    except Refused as refused:
        return await members_page(room, EMPTY.refused(refused))
    return room.to("/members", said="The invitation is withdrawn.")


@post("/w/{slug:str}/members/{member_id:uuid}/role", status_code=200, include_in_schema=False)
async def change_role(
    visitor: NamedDependency[Visitor],
    slug: FromPath[str],
    member_id: FromPath[UUID],
    request: Request[Any, Any, Any],
) -> Template | Redirect:
    """The field has a name of its own: what was wrong with it isn't shown beside the invitation."""
    room, form = await visitor.workspace(slug), await read_form(request)
    try:
        changed = await room.api.change(
            "PATCH",
            f"/api/members/{member_id}",
            {"role": form.text("member_role")},
            wanted=Member,
            change=form.change,
        )
    except Refused as refused:
        return await members_page(room, EMPTY.refused(refused))
    return room.to("/members", said=f"{changed.email} is {changed.role} now.")


@get("/w/{slug:str}/members/{member_id:uuid}/remove", include_in_schema=False)
async def ask_removal(
    visitor: NamedDependency[Visitor], slug: FromPath[str], member_id: FromPath[UUID]
) -> Template:
    """Asks once more."""
    return await _removal_page(await visitor.workspace(slug), member_id)


@post("/w/{slug:str}/members/{member_id:uuid}/remove", status_code=200, include_in_schema=False)
async def remove(
    visitor: NamedDependency[Visitor],
    slug: FromPath[str],
    member_id: FromPath[UUID],
    request: Request[Any, Any, Any],
) -> Template | Redirect:
    """Whoever takes itself out is led to its other workspaces."""
    room, form = await visitor.workspace(slug), await read_form(request)
    member = await _member(room, member_id)
    try:
        await room.api.do("DELETE", f"/api/members/{member_id}", change=form.change)
    except Refused as refused:
        return await _removal_page(room, member_id, form.refused(refused))
    if member.user == room.me.user.id:
        return visitor.to("/workspaces", said=f"You have left {room.tenant.name}.")
    return room.to("/members", said=f"{member.email} is no member any more.")


async def members_page(
    room: Workspace, form: Form = EMPTY, *, made: InvitationMade | None = None
) -> Template:
    """Show everybody; ``made`` is an invitation whose token is shown this once."""
    found = (await room.api.get("/api/members", List[Member])).items
    invited = (await room.api.get("/api/invitations", List[InvitationShown])).items
    listed = (await room.api.get("/api/roles", List[RoleShown])).items
    given = {
        "members": found,
        "invitations": invited,
        "roles": [role.name for role in listed if may_give(room, role)],
        "made": made,
    }
    return room.page("workspace/members.html", given, form=form)


def may_give(room: Workspace, role: RoleShown) -> bool:
    """Tell whether the API would let the visitor give a role: others aren't offered."""
    is_owner = room.me.tenant is not None and room.me.tenant.role == OWNER
    return (is_owner or role.name != OWNER) and set(role.permissions) <= set(room.me.permissions)


async def _removal_page(room: Workspace, member_id: UUID, form: Form = EMPTY) -> Template:
    member = await _member(room, member_id)
    return room.page("workspace/remove_member.html", {"member": member}, form=form)


async def _member(room: Workspace, member_id: UUID) -> Member:
    found = (await room.api.get("/api/members", List[Member])).items
    for member in found:
        if member.id == member_id:
            return member
    raise NotFound(NO_SUCH_PAGE)
