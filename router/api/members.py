"""Members: who may enter the tenant, in which role. Nobody gives away more than it has itself."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from router.api.door import NEEDS
from router.api.errand import MemberErrand
from router.api.seats import check_seat
from router.api.shapes import Email, List, Name, Password, Word
from router.catalog import accounts, members, moves, roles
from router.catalog.accounts import Account, check_email
from router.catalog.members import Membership
from router.catalog.roles import Permission
from router.errors import Conflict, Unprocessable

DEFAULT_ROLE = "member"


class NewMember(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is to be a member. A password makes the account of an address that has none yet."""

    email: Email
    role: Word = DEFAULT_ROLE
    password: Password | None = None
    name: Name | None = None


class MemberChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The role that a member is to have."""

    role: Word


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """An account in this tenant; ``id`` names the membership, ``user`` the person."""

    id: UUID
    user: UUID
    email: str
    name: str
    role: str
    since: datetime


@get(
    "/members",
    tags=["members"],
    summary="The tenant's members",
    opt={NEEDS: Permission.MEMBERS_READ},
)
async def list_members(errand: NamedDependency[MemberErrand]) -> List[Member]:
    """By e-mail address."""
    async with errand.parts.catalog.connection() as connection:
        found = await members.list_all(connection, errand.tenant.id)
    return List(items=[shown(membership) for membership in found])


@post(
    "/members",
    status_code=201,
    tags=["members"],
    summary="Add a member at once",
    opt={NEEDS: Permission.MEMBERS_WRITE},
)
async def add_member(errand: NamedDependency[MemberErrand], data: JSONBody[NewMember]) -> Member:
    """An address without an account needs a password; only an invitation proves the address."""
    password_hash = None
    email = check_email(data.email)
    if data.password is not None:
        password_hash = await errand.parts.passwords.hash(data.password)
    connection, tenant_id = await errand.connection(), errand.tenant.id
    roles.check_grant(errand.role, await roles.get(connection, tenant_id, data.role))
    await check_seat(connection, errand.tenant, upgrade_url=errand.parts.upgrade_url)
    account = await _account(errand, email, data.name, password_hash)
    added = await members.add(connection, tenant_id, account.id, role=data.role)
    await errand.record("member.add", added.id, {"email": account.email, "role": data.role})
    await _tell(errand, "member.add", added)
    return shown(added)


@patch(
    "/members/{member_id:uuid}",
    tags=["members"],
    summary="Change a member's role",
    opt={NEEDS: Permission.MEMBERS_WRITE},
)
async def change_member(
    errand: NamedDependency[MemberErrand],
    member_id: FromPath[UUID],
    data: JSONBody[MemberChange],
) -> Member:
    """Every gateway heeds it within a second. A tenant keeps at least one owner."""
    connection, tenant_id = await errand.connection(), errand.tenant.id
    known = await members.hold(connection, tenant_id, member_id)
    for name in (known.role, data.role):
        roles.check_grant(errand.role, await roles.get(connection, tenant_id, name))
    changed = await members.set_role(connection, tenant_id, member_id, role=data.role)
    await errand.record("member.change", member_id, {"from": known.role, "to": data.role})
    if changed.role != known.role:
        await _tell(errand, "member.change", changed, role_before=known.role)
    return shown(changed)


@delete(
    "/members/{member_id:uuid}",
    tags=["members"],
    summary="Take a member out",
    opt={NEEDS: Permission.MEMBERS_WRITE},
)
async def remove_member(errand: NamedDependency[MemberErrand], member_id: FromPath[UUID]) -> None:
    """Every gateway refuses the member within a second. A tenant keeps at least one owner."""
    connection, tenant_id = await errand.connection(), errand.tenant.id
    known = await members.hold(connection, tenant_id, member_id)
    roles.check_grant(errand.role, await roles.get(connection, tenant_id, known.role))
    await members.remove(connection, tenant_id, member_id)
    await errand.record("member.remove", member_id, {"email": known.email, "role": known.role})
    await _tell(errand, "member.remove", known, role_before=known.role)


async def _account(
    errand: MemberErrand, email: str, name: str | None, password_hash: str | None
) -> Account:
    connection = await errand.connection()
    known = await accounts.find_by_email(connection, email)
    if known is None and password_hash is None:
        raise Unprocessable(
            f"{email} has no account: send a password for it, or an invitation instead"
        )
    if known is None:
        return await accounts.create(
            connection, email=email, name=name or "", password_hash=password_hash
        )
    if password_hash is not None:
        raise Conflict(f"{email} has an account with a password of its own: leave it out")
    # Anybody may have signed up with the address, and would be let in here in its reader's place.
    if known.email_verified_at is None:
        raise Conflict(f"nobody has shown yet to read {email}: send an invitation instead")
    return known


async def _tell(
    errand: MemberErrand, kind: str, member: Membership, *, role_before: str = ""
) -> None:
    """Have the member written to; whoever did it to oneself knows."""
    if member.account_id == errand.account_id:
        return
    told: dict[str, object] = {
        "readers": [member.email],
        "from": role_before,
        "to": member.role,
    }
    await moves.put_out(await errand.connection(), kind, errand.tenant.id, told)


def shown(membership: Membership) -> Member:
    """Show a membership."""
    return Member(
        id=membership.id,
        user=membership.account_id,
        email=membership.email,
        name=membership.name,
        role=membership.role,
        since=membership.created_at,
    )
