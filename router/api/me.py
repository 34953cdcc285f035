"""Who the caller is: the first thing that every page asks."""

from __future__ import annotations

import msgspec
from litestar import get
from litestar.di import NamedDependency

from router.api.errand import AccountErrand
from router.api.shapes import User
from router.catalog import accounts, members
from router.catalog.credentials import StaffRole
from router.catalog.members import MemberTenant
from router.errors import NotAuthenticated


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """The caller, and the tenants that it is a member of.

    ``tenant`` is the one that the session is in; ``permissions`` is what its role allows there.
    """

    user: User
    staff: StaffRole | None
    tenant: MemberTenant | None
    permissions: list[str]
    tenants: list[MemberTenant]


@get("/me", tags=["accounts"], summary="Who the session's person is, and where it may go")
async def show_me(errand: NamedDependency[AccountErrand]) -> Me:
    """Asks the catalog, and not what this process remembers."""
    credential = errand.credential
    async with errand.parts.catalog.connection() as connection:
        account = await accounts.find_by_id(connection, errand.account_id)
        listed = await members.tenants_of(connection, errand.account_id)
    if account is None:
        raise NotAuthenticated("the session isn't valid any more: log in")
    # A confined session is nobody outside of its tenant.
    found = [
        each
        for each in listed
        if not credential.is_confined or credential.role_in(each.id) is not None
    ]
    current = next((each for each in found if each.id == credential.tenant_id), None)
    role = None if current is None else credential.role_in(current.id)
    return Me(
        user=User.of(account),
        staff=None if credential.staff is None else credential.staff.role,
        tenant=current,
        permissions=[] if role is None else sorted(role.permissions),
        tenants=found,
    )
