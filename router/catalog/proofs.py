"""Proofs: a code and a link go to an e-mail address, and whoever brings one back reads it."""

from __future__ import annotations

import hmac
import secrets
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.catalog import tokens
from router.errors import Unprocessable
from router.sealing import hash_token
from router.sql import load

if TYPE_CHECKING:
    from router.catalog import Catalog
    from router.connect import Connection

PROOF_LIFE = timedelta(minutes=30)
RESEND_AFTER = timedelta(seconds=60)
TRIES_MAX = 5
CODE_DIGITS = 6
_SQL = load("router.catalog", "proofs.sql")


class Purpose(StrEnum):
    """What a proof is for; none serves for another."""

    VERIFY = "verify"
    RESET = "reset"
    EMAIL = "email"


class IssuedProof(msgspec.Struct, frozen=True, kw_only=True):
    """What the letter says. Nobody can read it again."""

    token: str
    code: str


class Proven(msgspec.Struct, frozen=True, kw_only=True):
    """Whose proof it was, and which address it went to."""

    account_id: UUID
    email: str


class Proofs:
    """Issues and takes proofs; ``key`` keeps a stolen table from giving the codes away."""

    def __init__(self, key: bytes, *, resend_after: timedelta = RESEND_AFTER) -> None:
        self._key = key
        self._resend_after = resend_after

    async def issue(
        self, connection: Connection, account_id: UUID, purpose: Purpose, *, email: str
    ) -> IssuedProof | None:
        """Make a proof, which ends the earlier one; None when that was made a moment ago."""
        token, code = tokens.draw_proof(), f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
        issued = await connection.fetchval(
            _SQL["issue"],
            account_id,
            purpose,
            email,
            hash_token(token),
            self._hash(account_id, purpose, code),
            TRIES_MAX,
            PROOF_LIFE,
            self._resend_after,
        )
        return None if issued is None else IssuedProof(token=token, code=code)

    async def find(
        self, catalog: Catalog, account_id: UUID | None, purpose: Purpose, *, code: str
    ) -> bytes:
        """Return what ``use`` takes when the code is right, or raise; the try is counted for good.

        Not in the caller's transaction: a refused request takes that one back.
        """
        async with catalog.connection() as connection:
            row = await connection.fetchrow(_SQL["try_code"], account_id, purpose)
        shown = self._hash(account_id, purpose, code)
        if row is None or not hmac.compare_digest(row["code_hash"], shown):
            raise not_open()
        found: bytes = row["token_hash"]
        return found

    def _hash(self, account_id: UUID | None, purpose: Purpose, code: str) -> bytes:
        told = f"code {purpose} {account_id} {code}"
        return hmac.digest(self._key, told.encode("utf-8", "surrogatepass"), "sha256")


async def use(connection: Connection, purpose: Purpose, token_hash: bytes) -> Proven:
    """Use a proof up, in the transaction of what it allows; of two at once one gets it."""
    row = await connection.fetchrow(_SQL["use"], purpose, token_hash)
    if row is None:
        raise not_open()
    return Proven(account_id=row["account_id"], email=row["email"])


async def end_all(connection: Connection, account_id: UUID) -> None:
    """End what was mailed to an account and not used."""
    await connection.execute(_SQL["end_all"], account_id)


async def forget_old(connection: Connection) -> None:
    """Delete proofs that expired more than a day ago."""
    await connection.execute(_SQL["forget_old"])


def not_open() -> Unprocessable:
    """Say the same of a proof that is wrong, used, too old, or of nobody."""
    return Unprocessable("this code or link is wrong, was used or is too old: ask for a new one")
