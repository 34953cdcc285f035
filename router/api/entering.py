"""Entering: how a person who proved who it is gets a session, whatever the proof was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from router.api import throttle
from router.api.errand import AccountErrand
from router.api.shapes import User
from router.catalog import accounts, members, sessions
from router.catalog.members import MemberTenant
from router.errors import NotAllowed, NotAuthenticated

if TYPE_CHECKING:
    from router.api.errand import Errand
    from router.catalog.accounts import Account
    from router.catalog.sessions import Opening
    from router.words import TenantId

#: For so long after a log-in nobody is asked for the password again.
PROOF_LIFE: Final = timedelta(minutes=15)


class LoggedIn(msgspec.Struct, frozen=True, kw_only=True):
    """A token, bound to the tenant when there is only one; else each request names its tenant.

    ``needs_password``: the account has none now; set one, or go on with a passkey.
    """

    token: str
    expires_at: datetime
    user: User
    tenants: list[MemberTenant]
    needs_password: bool = False


async def enter(
    errand: Errand,
    account: Account,
    *,
    only_tenant_id: TenantId | None = None,
    needs_password: bool = False,
) -> LoggedIn:
    """Open a new session: a token that somebody planted is never taken over.

    ``only_tenant_id`` is the tenant whose identity provider said who it is.
    """
    errand.actor = f"account:{account.id}"
    connection = await errand.connection()
    found = await members.tenants_of(connection, account.id)
    if only_tenant_id is not None:
        found = [each for each in found if each.id == only_tenant_id]
    open_to = found if only_tenant_id else [each for each in found if not each.needs_sign_on]
    only = open_to[0].id if len(open_to) == 1 else None
    opened = await sessions.open_session(
        connection,
        account.id,
        tenant_id=only,
        opening=msgspec.structs.replace(errand.opening, only_tenant_id=only_tenant_id),
    )
    await errand.note("session.open", account.id, tenant_id=only)
    return LoggedIn(
        token=opened.token,
        expires_at=opened.expires_at,
        user=User.of(account),
        tenants=found,
        needs_password=needs_password,
    )


async def opening_of(errand: Errand) -> Opening:
    """Say how the caller's next session comes about; needs the errand's transaction.

    One that follows another inherits when its person was proved: else whoever found an old session
    open could draw a fresh one from it, and change the password.
    """
    if not isinstance(errand, AccountErrand):
        return errand.opening
    proved_at = await sessions.proved_at(await errand.connection(), errand.token)
    if proved_at is None:
        raise NotAuthenticated("this session has ended: log in")
    return msgspec.structs.replace(errand.opening, proved_at=proved_at)


async def check_password_of(
    errand: Errand, *, email: str, password: str, lets_newcomers: bool = True
) -> Account:
    """Return whose e-mail address and password these are, or raise; failures are counted."""
    taken = await throttle.take(errand, throttle.LOG_IN, about=email)
    account = await accounts.log_in(
        errand.parts.catalog,
        errand.parts.passwords,
        email=email,
        password=password,
        lets_newcomers=lets_newcomers,
    )
    await throttle.forgive(errand, taken)
    return account


async def own_account(errand: AccountErrand) -> Account:
    """Return the caller's account, for what concerns the account itself and not one tenant.

    A tenant's identity provider may say who enters that tenant, and nothing about the rest of a
    person's account: else whoever runs one could take over everybody that it invites.
    """
    if errand.credential.is_confined:
        raise NotAllowed(
            "this session came by a tenant's single sign-on and is good there alone: log in with "
            "your password or passkey"
        )
    async with errand.parts.catalog.connection() as connection:
        account = await accounts.find_by_id(connection, errand.account_id)
    if account is None:
        raise NotAllowed("this account is shut out")
    return account


async def check_recent(errand: AccountErrand, account: Account, password: str | None) -> None:
    """Ask for the password again, unless the person logged in a moment ago."""
    if password is not None:
        await check_password_of(errand, email=account.email, password=password)
        return
    async with errand.parts.catalog.connection() as connection:
        proved_at = await sessions.proved_at(connection, errand.token)
    if proved_at is None or proved_at < datetime.now(UTC) - PROOF_LIFE:
        raise NotAllowed("you logged in a while ago: send your password too, or log in again")
