"""Roles: named sets of permissions. Four are shipped; a tenant may add its own."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from router.errors import Conflict, NotAllowed, NotFound, Unprocessable
from router.names import is_slug
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from router.connect import Connection
    from router.words import TenantId

ROLES_MAX = 50
OWNER: Final = "owner"
_SQL = load("router.catalog", "roles.sql")


class Permission(StrEnum):
    """What a role may allow."""

    ROWS_READ = "rows.read"
    ROWS_WRITE = "rows.write"
    MEMBERS_READ = "members.read"
    MEMBERS_WRITE = "members.write"
    KEYS_READ = "keys.read"
    KEYS_WRITE = "keys.write"
    BILLING_READ = "billing.read"
    BILLING_WRITE = "billing.write"
    SETTINGS_WRITE = "settings.write"
    AUDIT_READ = "audit.read"


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody may do in one tenant."""

    name: str
    permissions: frozenset[Permission]

    def allows(self, permission: Permission) -> bool:
        """Tell whether this role may."""
        return permission in self.permissions


_P = Permission
_READS = frozenset({_P.ROWS_READ, _P.MEMBERS_READ})
#: The shipped roles, from the mightiest to the least.
SHIPPED: Final[Mapping[str, Role]] = MappingProxyType(
    {
        role.name: role
        for role in (
            Role(name=OWNER, permissions=frozenset(Permission)),
            Role(name="admin", permissions=frozenset(Permission) - {_P.BILLING_WRITE}),
            Role(name="member", permissions=_READS | {_P.ROWS_WRITE}),
            Role(name="viewer", permissions=_READS),
        )
    }
)


async def get(connection: Connection, tenant_id: TenantId, name: str) -> Role:
    """Return a role that the tenant can give; raises Unprocessable when there is none.

    A custom one is locked until the transaction ends, so that nobody removes it meanwhile.
    """
    if (shipped := SHIPPED.get(name)) is not None:
        return shipped
    permissions = await connection.fetchval(_SQL["find"], tenant_id, name)
    if permissions is None:
        raise Unprocessable(f"the tenant has no role {name[:40]!r}")
    return made(name, permissions)


async def list_custom(connection: Connection, tenant_id: TenantId) -> list[Role]:
    """Return the roles that the tenant made."""
    rows = await connection.fetch(_SQL["list"], tenant_id)
    return [made(row["name"], row["permissions"]) for row in rows]


async def put(
    connection: Connection, tenant_id: TenantId, name: str, permissions: Iterable[str]
) -> Role:
    """Make a custom role, or change what it allows."""
    if name in SHIPPED or not is_slug(name) or not name[0].isalpha():
        raise Unprocessable(f"{name[:40]!r} can't name a role: a-z, 0-9, -, and no shipped role")
    try:
        role = Role(name=name, permissions=frozenset(map(Permission, permissions)))
    except ValueError as error:
        raise Unprocessable(f"{error}; choose from {', '.join(Permission)}") from error
    if len(await list_custom(connection, tenant_id)) >= ROLES_MAX:
        raise Conflict(f"a tenant may have {ROLES_MAX} roles of its own")
    await connection.execute(_SQL["put"], tenant_id, name, sorted(role.permissions))
    return role


async def remove(connection: Connection, tenant_id: TenantId, name: str) -> None:
    """Remove a custom role that nobody has; needs a transaction."""
    if await connection.fetchval(_SQL["lock"], tenant_id, name) is None:
        raise NotFound(f"the tenant has no role {name[:40]!r} of its own")
    if await connection.fetchval(_SQL["remove"], tenant_id, name) is None:
        raise Conflict(f"the role {name!r} is in use: give its members and keys another one first")


def check_grant(granter: Role, granted: Role) -> None:
    """Raise NotAllowed when somebody would give away, or take from, more than it may do itself."""
    if granted.name == OWNER and granter.name != OWNER:
        raise NotAllowed("only an owner can make or change an owner")
    if not granted.permissions <= granter.permissions:
        raise NotAllowed(
            f"the role {granter.name!r} can't give the role {granted.name!r}, which may do more"
        )


def made(name: str, permissions: Iterable[str] | None) -> Role:
    """Make the value of what is stored; a custom role that is gone allows nothing."""
    return SHIPPED.get(name) or Role(
        name=name, permissions=frozenset(Permission(text) for text in permissions or ())
    )
