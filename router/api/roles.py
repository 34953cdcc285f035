"""Roles: the shipped ones, and those that a tenant makes for itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import delete, get, put
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from router.api.door import NEEDS
from router.api.errand import MemberErrand
from router.api.features import CUSTOM_ROLES, require_feature
from router.api.shapes import List
from router.catalog import roles
from router.catalog.roles import SHIPPED, Permission, Role

RoleName = Annotated[str, PathParameter(description="The role's name.", max_length=40)]


class RoleChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the role is to allow."""

    permissions: Annotated[list[Permission], Meta(max_length=50)]


class RoleShown(msgspec.Struct, frozen=True, kw_only=True):
    """A role with what it allows; ``is_shipped`` ones can't be changed."""

    name: str
    permissions: list[Permission]
    is_shipped: bool


@get(
    "/roles",
    tags=["members"],
    summary="The roles that members and keys can have",
    opt={NEEDS: Permission.MEMBERS_READ},
)
async def list_roles(errand: NamedDependency[MemberErrand]) -> List[RoleShown]:
    """The shipped ones first, from the mightiest to the least."""
    async with errand.parts.catalog.connection() as connection:
        custom = await roles.list_custom(connection, errand.tenant.id)
    return List(items=all_shown(custom))


@put(
    "/roles/{name:str}",
    tags=["members"],
    summary="Make a role, or change what it allows",
    opt={NEEDS: Permission.SETTINGS_WRITE},
)
async def put_role(
    errand: NamedDependency[MemberErrand], name: RoleName, data: JSONBody[RoleChange]
) -> RoleShown:
    """Nobody makes a role that may do more than its maker, nor changes one that can.

    Takes a plan with the feature `custom_roles`; roles that were made under one stay.
    """
    connection, tenant_id = await errand.connection(), errand.tenant.id
    await require_feature(connection, errand.tenant, CUSTOM_ROLES)
    for known in await roles.list_custom(connection, tenant_id):
        if known.name == name:
            roles.check_grant(errand.role, known)
    role = await roles.put(connection, tenant_id, name, data.permissions)
    roles.check_grant(errand.role, role)
    await errand.record("role.put", name, {"permissions": sorted(role.permissions)})
    return _shown(role)


@delete(
    "/roles/{name:str}",
    tags=["members"],
    summary="Remove a role that nobody has",
    opt={NEEDS: Permission.SETTINGS_WRITE},
)
async def remove_role(errand: NamedDependency[MemberErrand], name: RoleName) -> None:
    """Give its members and keys another one first."""
    await roles.remove(await errand.connection(), errand.tenant.id, name)
    await errand.record("role.remove", name)


def all_shown(custom: Sequence[Role]) -> list[RoleShown]:
    """Show the shipped roles, then those that a tenant made."""
    return [_shown(role) for role in (*SHIPPED.values(), *custom)]


def _shown(role: Role) -> RoleShown:
    return RoleShown(
        name=role.name, permissions=sorted(role.permissions), is_shipped=role.name in SHIPPED
    )
