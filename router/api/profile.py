"""The profile: what a person changes about its own account, and the sessions that it has open."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, Meta, UnsetType

from router.api import throttle
from router.api.accounts import (
    Code,
    Mailed,
    ProofShown,
    mailed,
    send_proof,
    steady,
    take_proof,
)
from router.api.entering import check_recent, own_account
from router.api.errand import AccountErrand
from router.api.shapes import Email, List, Password, User, Word
from router.catalog import accounts, passkeys, proofs, sessions
from router.catalog.accounts import check_email
from router.catalog.letters import Letter
from router.catalog.passwords import check_password
from router.catalog.proofs import Purpose
from router.catalog.sessions import ListedSession
from router.errors import Unprocessable
from router.names import NAME_LENGTH_MAX


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The account as its person sees it."""

    id: UUID
    email: str
    name: str
    email_verified_at: datetime | None
    has_password: bool
    passkeys: int
    created_at: datetime


class ProfileChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be different; what is left out stays."""

    name: Annotated[str, Meta(max_length=NAME_LENGTH_MAX)] | UnsetType = UNSET


class PasswordChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The password, unless the log-in was a moment ago, and the one that takes its place."""

    new_password: Password
    password: Password | None = None


class PasswordChanged(msgspec.Struct, frozen=True, kw_only=True):
    """The caller's new session: every earlier one has ended."""

    token: str
    expires_at: datetime


class EmailChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The new address, and the password unless the log-in was a moment ago."""

    email: Email
    password: Password | None = None


class EmailProof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the mail to the new address said: its link's token, or its code."""

    token: Word | None = None
    code: Code | None = None


@get("/profile", tags=["accounts"], summary="Your account")
async def show_profile(errand: NamedDependency[AccountErrand]) -> Profile:
    """The person's own, in no tenant in particular."""
    account = await own_account(errand)
    async with errand.parts.catalog.connection() as connection:
        password_hash = await accounts.password_hash_of(connection, account.id)
        keys = await passkeys.list_all(connection, account.id)
    return Profile(
        id=account.id,
        email=account.email,
        name=account.name,
        email_verified_at=account.email_verified_at,
        has_password=password_hash is not None,
        passkeys=len(keys),
        created_at=account.created_at,
    )


@patch("/profile", tags=["accounts"], summary="Change your name")
async def change_profile(
    errand: NamedDependency[AccountErrand], data: JSONBody[ProfileChange]
) -> User:
    """What the other members see."""
    account = await own_account(errand)
    if data.name is not UNSET:
        account = await accounts.rename(await errand.connection(), account.id, data.name)
        await errand.note("account.rename", account.id, tenant_id=None)
    return User.of(account)


@post("/profile/password", status_code=200, tags=["accounts"], summary="Change your password")
async def change_password(
    errand: NamedDependency[AccountErrand], data: JSONBody[PasswordChange]
) -> PasswordChanged:
    """Ends every session, this one too, and opens a new one."""
    account = await own_account(errand)
    check_password(data.new_password, field="new_password")
    await check_recent(errand, account, data.password)
    password_hash = await errand.parts.passwords.hash(data.new_password)
    connection = await errand.connection()
    await accounts.set_password(connection, account.id, password_hash)
    await proofs.end_all(connection, account.id)
    opened = await sessions.open_session(
        connection, account.id, tenant_id=errand.credential.tenant_id, opening=errand.opening
    )
    await errand.note("account.set_password", account.id, tenant_id=None)
    await errand.write(Letter(kind="password", recipient=account.email))
    return PasswordChanged(token=opened.token, expires_at=opened.expires_at)


@post("/profile/email", status_code=202, tags=["accounts"], summary="Change your e-mail address")
async def change_email(
    errand: NamedDependency[AccountErrand], data: JSONBody[EmailChange]
) -> Mailed:
    """The new address has to be proved first; the one before is told.

    Whether another account has the address, its mailbox is told and nobody else.
    """
    account = await own_account(errand)
    if errand.credential.staff is not None:
        raise accounts.staff_stay()
    email = check_email(data.email)
    await check_recent(errand, account, data.password)
    await throttle.take(errand, throttle.MAIL, about=email)
    async with steady():
        async with errand.parts.catalog.connection() as connection:
            known = await accounts.find_by_email(connection, email)
        if known is None:
            await send_proof(errand, account.id, Purpose.EMAIL, email=email)
        else:
            link = f"{errand.parts.site_url}/login"
            await errand.write(Letter(kind="known", recipient=email, values={"link": link}))
        await errand.commit()
    return mailed(email)


@post(
    "/profile/email/verify",
    status_code=200,
    tags=["accounts"],
    summary="Prove your new e-mail address",
)
async def verify_email(errand: NamedDependency[AccountErrand], data: JSONBody[EmailProof]) -> User:
    """Only the account that asked can use what the mail said."""
    account = await own_account(errand)
    shown = ProofShown(token=data.token, email=account.email, code=data.code)
    proven = await take_proof(errand, Purpose.EMAIL, shown)
    if proven.account_id != account.id:
        raise proofs.not_open()
    changed = await accounts.set_email(await errand.connection(), account.id, proven.email)
    await errand.note("account.set_email", account.id, tenant_id=None)
    values = {"email": changed.email}
    await errand.write(Letter(kind="moved", recipient=account.email, values=values))
    return User.of(changed)


@get("/sessions", tags=["accounts"], summary="Your open sessions")
async def list_sessions(errand: NamedDependency[AccountErrand]) -> List[ListedSession]:
    """The newest first; one of them is the one that asks."""
    account = await own_account(errand)
    async with errand.parts.catalog.connection() as connection:
        return List(items=await sessions.list_open(connection, account.id, token=errand.token))


@delete("/sessions/{session_id:uuid}", tags=["accounts"], summary="End one of your sessions")
async def end_session(errand: NamedDependency[AccountErrand], session_id: FromPath[UUID]) -> None:
    """Every gateway forgets it within a second."""
    account = await own_account(errand)
    await sessions.end_one(await errand.connection(), account.id, session_id)
    await errand.note("session.end", account.id, tenant_id=None)


@delete("/sessions", tags=["accounts"], summary="End all of your sessions but this one")
async def end_other_sessions(errand: NamedDependency[AccountErrand]) -> None:
    """For whoever left one open somewhere."""
    account = await own_account(errand)
    await sessions.end_others(await errand.connection(), account.id, token=errand.token)
    await errand.note("session.end_others", account.id, tenant_id=None)


@post(
    "/profile/verification",
    status_code=202,
    tags=["accounts"],
    summary="Have the mail sent again that proves your address",
)
async def send_verification(errand: NamedDependency[AccountErrand]) -> Mailed:
    """Once a minute at most."""
    account = await own_account(errand)
    if account.email_verified_at is not None:
        raise Unprocessable(f"{account.email} is proved already")
    await throttle.take(errand, throttle.MAIL, about=account.email)
    await send_proof(errand, account.id, Purpose.VERIFY, email=account.email)
    return mailed(account.email)
