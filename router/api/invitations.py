"""Invitations: a token lets one address into the tenant, once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from router.api import throttle
from router.api.door import NEEDS
from router.api.entering import check_password_of, opening_of, own_account
from router.api.errand import AccountErrand, Errand, MemberErrand
from router.api.seats import check_seat
from router.api.shapes import (
    Email,
    List,
    Name,
    Password,
    TenantShown,
    User,
    Word,
    read_invitation_token,
)
from router.catalog import accounts, invitations, roles, sessions, tenants
from router.catalog.accounts import Account, check_email
from router.catalog.invitations import INVITATION_LIFE, Invitation, IssuedInvitation
from router.catalog.letters import Letter, day
from router.catalog.roles import Permission
from router.words import Tenant

DEFAULT_ROLE = "member"


class NewInvitation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is invited, in which role."""

    email: Email
    role: Word = DEFAULT_ROLE


class InvitationShown(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation without its token."""

    id: UUID
    email: str
    role: str
    expires_at: datetime


class InvitationMade(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation with its token, which belongs to the invited address and to nobody else."""

    id: UUID
    email: str
    role: str
    expires_at: datetime
    token: str

    @classmethod
    def of(cls, issued: IssuedInvitation) -> InvitationMade:
        """Show an invitation to whoever made it, this once."""
        made = issued.invitation
        return cls(
            id=made.id,
            email=made.email,
            role=made.role,
            expires_at=made.expires_at,
            token=issued.token,
        )


class Acceptance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An invitation's token, and the password of the invited address: a new one's, or its own."""

    token: Word
    password: Password
    name: Name | None = None


class ShownInvitation(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An invitation's token."""

    token: Word


class OpenInvitation(msgspec.Struct, frozen=True, kw_only=True):
    """What a token lets its address into; ``has_account`` is null unless the token came by mail.

    ``invited_by`` is a person's name or address, null where an operator invited.
    """

    tenant: str
    invited_by: str | None
    email: str
    role: str
    expires_at: datetime
    has_account: bool | None


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A token that is bound to the tenant."""

    token: str
    expires_at: datetime
    user: User
    tenant: TenantShown
    role: str


@get(
    "/invitations",
    tags=["members"],
    summary="Invitations that can still be accepted",
    opt={NEEDS: Permission.MEMBERS_READ},
)
async def list_invitations(errand: NamedDependency[MemberErrand]) -> List[InvitationShown]:
    """By e-mail address, without their tokens."""
    async with errand.parts.catalog.connection() as connection:
        found = await invitations.list_open(connection, errand.tenant.id)
    return List(items=[shown(invitation) for invitation in found])


@post(
    "/invitations",
    status_code=201,
    tags=["members"],
    summary="Invite somebody",
    opt={NEEDS: Permission.MEMBERS_WRITE},
)
async def invite(
    errand: NamedDependency[MemberErrand], data: JSONBody[NewInvitation]
) -> InvitationMade:
    """Good for seven days; an earlier one for the same address ends. Ten an hour for an address."""
    tenant_id, email = errand.tenant.id, check_email(data.email)
    await throttle.take(errand, throttle.INVITED, about=email)
    await throttle.take(errand, throttle.INVITING, about=str(tenant_id))
    connection = await errand.connection()
    roles.check_grant(errand.role, await roles.get(connection, tenant_id, data.role))
    await check_seat(connection, errand.tenant, upgrade_url=errand.parts.upgrade_url)
    issued = await invitations.invite(
        connection, tenant_id, email=email, role=data.role, invited_by=errand.account_id
    )
    made = issued.invitation
    await errand.record("member.invite", made.id, {"email": made.email, "role": made.role})
    site_url = errand.parts.site_url
    await errand.write(letter_of(issued, tenant=errand.tenant, site_url=site_url))
    return InvitationMade.of(issued)


def letter_of(issued: IssuedInvitation, *, tenant: Tenant, site_url: str) -> Letter:
    """Write to the invited address, with a token that nobody else sees."""
    made = issued.invitation
    values = {
        "tenant": tenant.name,
        "role": made.role,
        "link": f"{site_url}/invitation?token={issued.mailed_token}",
        "until": day(made.expires_at),
    }
    return Letter(
        kind="invitation",
        recipient=made.email,
        values=values,
        tenant_id=tenant.id,
        life=INVITATION_LIFE,
    )


@delete(
    "/invitations/{invitation_id:uuid}",
    tags=["members"],
    summary="Withdraw an invitation",
    opt={NEEDS: Permission.MEMBERS_WRITE},
)
async def withdraw_invitation(
    errand: NamedDependency[MemberErrand], invitation_id: FromPath[UUID]
) -> None:
    """Its token opens nothing any more."""
    await invitations.withdraw(await errand.connection(), errand.tenant.id, invitation_id)
    await errand.record("member.uninvite", invitation_id)


@post(
    "/invitations/accept",
    status_code=200,
    tags=["accounts"],
    summary="Accept an invitation",
    security=[{}],
)
async def accept_invitation(
    errand: NamedDependency[Errand], data: JSONBody[Acceptance]
) -> Accepted:
    """An address without an account gets one, with this password."""
    token = read_invitation_token(data.token)
    async with errand.parts.catalog.connection() as reading:
        invitation = await invitations.get(reading, token)
    account = await _account(errand, invitation.email, data)
    errand.actor = f"account:{account.id}"
    return await _join(errand, account, token)


@post(
    "/invitations/show",
    status_code=200,
    tags=["accounts"],
    summary="What an invitation is to",
    security=[{}],
)
async def show_open_invitation(
    errand: NamedDependency[Errand], data: JSONBody[ShownInvitation]
) -> OpenInvitation:
    """For whoever holds its token. Only the mailbox learns whether the address has an account."""
    taken = await throttle.take(errand, throttle.CODE, about=f"invitation {errand.source}")
    token = read_invitation_token(data.token)
    async with errand.parts.catalog.connection() as connection:
        invitation = await invitations.get(connection, token)
        tenant = await tenants.get_by_id(connection, invitation.tenant_id)
        known = await accounts.find_by_email(connection, invitation.email)
        is_mailed = await invitations.is_mailed(connection, token)
    await throttle.forgive(errand, taken)
    return OpenInvitation(
        tenant=tenant.name,
        invited_by=invitation.invited_by,
        email=invitation.email,
        role=invitation.role,
        expires_at=invitation.expires_at,
        has_account=known is not None if is_mailed else None,
    )


@post(
    "/invitations/join",
    status_code=200,
    tags=["accounts"],
    summary="Accept an invitation as who you are logged in as",
)
async def join_by_invitation(
    errand: NamedDependency[AccountErrand], data: JSONBody[ShownInvitation]
) -> Accepted:
    """Only the invited address can; for those who log in without a password too."""
    account = await own_account(errand)
    return await _join(errand, account, read_invitation_token(data.token))


async def _join(errand: Errand, account: Account, token: str) -> Accepted:
    connection = await errand.connection()
    invitation = await invitations.get(connection, token)
    tenant = await tenants.get_by_id(connection, invitation.tenant_id)
    await check_seat(connection, tenant, upgrade_url=errand.parts.upgrade_url)
    membership = await invitations.accept(connection, token, account)
    opened = await sessions.open_session(
        connection, account.id, tenant_id=tenant.id, opening=await opening_of(errand)
    )
    await errand.note(
        "member.accept", membership.id, tenant_id=tenant.id, detail={"role": membership.role}
    )
    return Accepted(
        token=opened.token,
        expires_at=opened.expires_at,
        user=User.of(account),
        tenant=TenantShown.of(tenant),
        role=membership.role,
    )


async def _account(errand: Errand, email: str, data: Acceptance) -> Account:
    parts = errand.parts
    async with parts.catalog.connection() as connection:
        known = await accounts.find_by_email(connection, email)
    if known is not None:
        return await check_password_of(errand, email=email, password=data.password)
    password_hash = await parts.passwords.hash(data.password)
    return await accounts.create(
        await errand.connection(), email=email, name=data.name or "", password_hash=password_hash
    )


def shown(invitation: Invitation) -> InvitationShown:
    """Show an invitation, without its token."""
    return InvitationShown(
        id=invitation.id,
        email=invitation.email,
        role=invitation.role,
        expires_at=invitation.expires_at,
    )
