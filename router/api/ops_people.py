"""The operators' calls about a tenant's people: to look at, for only the tenant changes them."""

from __future__ import annotations

from litestar import get
from litestar.di import NamedDependency

from router.api.errand import Errand
from router.api.invitations import InvitationShown
from router.api.invitations import shown as shown_invitation
from router.api.members import Member
from router.api.members import shown as shown_member
from router.api.ops import Reference
from router.api.roles import RoleShown, all_shown
from router.api.shapes import List
from router.catalog import invitations, members, roles, tenants


@get("/tenants/{tenant:str}/members", tags=["operators"], summary="A tenant's members")
async def ops_list_members(errand: NamedDependency[Errand], tenant: Reference) -> List[Member]:
    """By e-mail address."""
    async with errand.parts.catalog.connection() as connection:
        found = (await tenants.get(connection, tenant)).tenant
        listed = await members.list_all(connection, found.id)
    return List(items=[shown_member(each) for each in listed])


@get(
    "/tenants/{tenant:str}/invitations",
    tags=["operators"],
    summary="A tenant's invitations that can still be accepted",
)
async def ops_list_invitations(
    errand: NamedDependency[Errand], tenant: Reference
) -> List[InvitationShown]:
    """By e-mail address, without their tokens."""
    async with errand.parts.catalog.connection() as connection:
        found = (await tenants.get(connection, tenant)).tenant
        listed = await invitations.list_open(connection, found.id)
    return List(items=[shown_invitation(each) for each in listed])


@get("/tenants/{tenant:str}/roles", tags=["operators"], summary="The roles of a tenant's people")
async def ops_list_roles(errand: NamedDependency[Errand], tenant: Reference) -> List[RoleShown]:
    """The shipped ones first, then those that the tenant made for itself."""
    async with errand.parts.catalog.connection() as connection:
        found = (await tenants.get(connection, tenant)).tenant
        custom = await roles.list_custom(connection, found.id)
    return List(items=all_shown(custom))
