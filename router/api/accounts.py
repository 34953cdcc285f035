"""Accounts: a person signs up with an e-mail address and proves that it is theirs.

Whether an address has an account is told to its mailbox and to nobody else: every answer here is
the same for a known address and an unknown one, and takes as long.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Final
from urllib.parse import quote
from uuid import UUID

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from router.api import throttle
from router.api.entering import LoggedIn, enter
from router.api.errand import Errand
from router.api.shapes import Email, Password, Word, read_proof_token
from router.catalog import accounts, proofs
from router.catalog.accounts import Account, check_email
from router.catalog.letters import Letter
from router.catalog.passwords import check_password
from router.catalog.proofs import CODE_DIGITS, PROOF_LIFE, RESEND_AFTER, Purpose
from router.errors import Conflict, Unprocessable
from router.sealing import hash_token

#: No answer leaves sooner, so that its time says nothing of what was found.
ANSWER_S_MIN: Final = 0.3
Code = Annotated[str, Meta(min_length=CODE_DIGITS, max_length=CODE_DIGITS + 4)]


class NewAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who signs up."""

    email: Email
    password: Password


class Mailed(msgspec.Struct, frozen=True, kw_only=True):
    """The address has mail, whatever it says. Another letter can be asked for a little later."""

    email: str
    resend_after_s: int
    expires_after_s: int


class ProofShown(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the mail said: its link's token, or the address with the code."""

    token: Word | None = None
    email: Email | None = None
    code: Code | None = None


class Forgotten(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose mailbox is written to."""

    email: Email


@post(
    "/accounts",
    status_code=202,
    tags=["accounts"],
    summary="Sign up for an account: a mail brings the code that opens it",
    security=[{}],
)
async def create_account(errand: NamedDependency[Errand], data: JSONBody[NewAccount]) -> Mailed:
    """A known address gets a mail that says so; the answer is the same."""
    email = check_email(data.email)
    check_password(data.password)
    await throttle.take(errand, throttle.MAIL, about=email)
    async with steady():
        if await knock(errand, email, data.password) is not None:
            await _write_known(errand, email)
        await errand.commit()
    return mailed(email)


@post(
    "/accounts/resend",
    status_code=202,
    tags=["accounts"],
    summary="Have the code sent again",
    security=[{}],
)
async def resend_code(errand: NamedDependency[Errand], data: JSONBody[Forgotten]) -> Mailed:
    """Once a minute at most; the code before ends."""
    email = check_email(data.email)
    await throttle.take(errand, throttle.MAIL, about=email)
    async with steady():
        async with errand.parts.catalog.connection() as connection:
            known = await accounts.find_by_email(connection, email)
        if known is not None and known.email_verified_at is None:
            await send_proof(errand, known.id, Purpose.VERIFY, email=email)
        await errand.commit()
    return mailed(email)


@post(
    "/accounts/verify",
    status_code=200,
    tags=["accounts"],
    summary="Prove the address with what the mail said, and be logged in",
    security=[{}],
)
async def verify_account(errand: NamedDependency[Errand], data: JSONBody[ProofShown]) -> LoggedIn:
    """A code has five tries and half an hour; it works once.

    Where two people signed up with the address, what the other one knows opens nothing any more:
    the answer says `needs_password`, and every earlier session has ended.
    """
    proven = await take_proof(errand, Purpose.VERIFY, data)
    connection = await errand.connection()
    account = await accounts.confirm(connection, proven.account_id)
    await errand.note("account.verify", account.id, tenant_id=None)
    has_password = await accounts.password_hash_of(connection, account.id) is not None
    return await enter(errand, account, needs_password=not has_password)


async def take_proof(errand: Errand, purpose: Purpose, shown: ProofShown) -> proofs.Proven:
    """Use up what a mail said, in the errand's transaction; raises, always in the same words."""
    if shown.token is not None:
        taken = await throttle.take(errand, throttle.CODE, about=f"link {errand.source}")
        token_hash = hash_token(read_proof_token(shown.token))
    else:
        if shown.email is None or shown.code is None:
            raise Unprocessable("send the token of the link, or the e-mail address with the code")
        taken = await throttle.take(errand, throttle.CODE, about=shown.email)
        async with errand.parts.catalog.connection() as connection:
            account = await accounts.find_by_email(connection, shown.email)
        token_hash = await errand.parts.proofs.find(
            errand.parts.catalog,
            None if account is None else account.id,
            purpose,
            code=shown.code.replace(" ", ""),
        )
    proven = await proofs.use(await errand.connection(), purpose, token_hash)
    await throttle.forgive(errand, taken)
    return proven


async def send_proof(errand: Errand, account_id: UUID, purpose: Purpose, *, email: str) -> None:
    """Write a letter with a new code, unless one was written a moment ago."""
    connection = await errand.connection()
    issued = await errand.parts.proofs.issue(connection, account_id, purpose, email=email)
    if issued is None:
        return
    link = f"{errand.parts.site_url}/{_PAGES[purpose]}?token={quote(issued.token)}"
    values = {
        "link": link,
        "code": f"{issued.code[:3]} {issued.code[3:]}",
        "minutes": str(int(PROOF_LIFE.total_seconds() // 60)),
    }
    await errand.write(Letter(kind=purpose.value, recipient=email, values=values, life=PROOF_LIFE))


@asynccontextmanager
async def steady() -> AsyncGenerator[None]:
    """Let what happens inside take one time, whatever it finds."""
    loop = asyncio.get_running_loop()
    begun_s = loop.time()
    try:
        yield
    finally:
        await asyncio.sleep(max(0.0, begun_s + ANSWER_S_MIN - loop.time()))


def mailed(email: str) -> Mailed:
    """Say that there is mail."""
    return Mailed(
        email=email,
        resend_after_s=int(RESEND_AFTER.total_seconds()),
        expires_after_s=int(PROOF_LIFE.total_seconds()),
    )


_PAGES: Final = {
    Purpose.VERIFY: "verify",
    Purpose.RESET: "reset",
    Purpose.EMAIL: "account/email",
}


async def knock(
    errand: Errand, email: str, password: str, *, lets_unproved: bool = False
) -> Account | None:
    """Return whose proved address and password these are; else write what the address needs.

    Each way costs one hash, and the caller can't tell which one was gone.
    """
    parts = errand.parts
    async with parts.catalog.connection() as connection:
        known = await accounts.find_by_email(connection, email)
        known_hash = (
            None if known is None else await accounts.password_hash_of(connection, known.id)
        )
    if known is None:
        password_hash = await parts.passwords.hash(password)
        await _create(errand, email, password_hash)
        return None
    fits = await parts.passwords.verify(known_hash, password)
    is_proved = known.email_verified_at is not None
    if fits and (is_proved or lets_unproved):
        return known
    if is_proved:
        await _write_known(errand, email)
        return None
    if not fits:
        await accounts.dispute(await errand.connection(), known.id)
    await send_proof(errand, known.id, Purpose.VERIFY, email=email)
    return None


async def _write_known(errand: Errand, email: str) -> None:
    link = f"{errand.parts.site_url}/login"
    await errand.write(Letter(kind="known", recipient=email, values={"link": link}))


async def _create(errand: Errand, email: str, password_hash: str) -> None:
    connection = await errand.connection()
    try:
        account = await accounts.create(connection, email=email, password_hash=password_hash)
    except Conflict:  # signed up twice at once, or shut out
        return
    errand.actor = f"account:{account.id}"
    await errand.note("account.create", account.id, tenant_id=None)
    await send_proof(errand, account.id, Purpose.VERIFY, email=email)
