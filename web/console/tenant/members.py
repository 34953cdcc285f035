"""Who may enter a tenant, in which role: to look at, for only its own people change it."""

from __future__ import annotations

from typing import Final

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Template

from router.api.invitations import InvitationShown
from router.api.members import Member
from router.api.roles import RoleShown
from router.api.shapes import List
from web.console.tenant.dossier import open_dossier
from web.visitor import Visitor

TAB: Final = "/members"


@get("/console/tenants/{slug:str}/members", include_in_schema=False)
async def show_members(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """Members and invitations by address; of the roles, those that the tenant made for itself."""
    await visitor.staff()
    dossier, api = await open_dossier(visitor, slug), visitor.api
    roles = await api.get(f"{dossier.api}/roles", List[RoleShown])
    given = {
        "members": (await api.get(f"{dossier.api}/members", List[Member])).items,
        "invitations": (await api.get(f"{dossier.api}/invitations", List[InvitationShown])).items,
        "roles": [each for each in roles.items if not each.is_shipped],
    }
    return dossier.page(TAB, given)
