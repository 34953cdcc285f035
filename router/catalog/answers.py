"""Answers to requests of the platform with an Idempotency-Key: whoever repeats one gets the first.

An answer may hold a token or a key's secret, so it is sealed.
"""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from router.errors import BadRequest, Conflict, Unprocessable
from router.sql import load

if TYPE_CHECKING:
    from router.connect import Connection
    from router.sealing import Sealer

KEY_LENGTH_MAX = 200
ANSWER_LIFE = timedelta(days=1)
#: A request that took longer was dropped with its process, and may be made again.
RUNNING_MAX = timedelta(seconds=60)
_SQL = load("router.catalog", "answers.sql")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """Who asked, under which key, for what: a hash of method, path and body."""

    actor: str
    key: str
    fingerprint: bytes

    @property
    def purpose(self) -> str:
        """What the answer is sealed for."""
        return f"answer {self.actor} {self.key}"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the first request was answered."""

    status: int
    body: bytes


async def claim(connection: Connection, asked: Asked, sealer: Sealer) -> Answer | None:
    """Return the answer of the first request, or None: this is the first, and must keep or release.

    Raises Conflict while the first one runs, Unprocessable when it was another request.
    """
    if not 1 <= len(asked.key) <= KEY_LENGTH_MAX or not asked.key.isprintable():
        raise BadRequest(f"an Idempotency-Key has 1 to {KEY_LENGTH_MAX} printable characters")
    claimed = await connection.fetchval(
        _SQL["claim"], asked.actor, asked.key, asked.fingerprint, RUNNING_MAX
    )
    if claimed is not None:
        return None
    row = await connection.fetchrow(_SQL["find"], asked.actor, asked.key)
    if row is not None and not hmac.compare_digest(row["fingerprint"], asked.fingerprint):
        raise Unprocessable("this Idempotency-Key was used for another request; draw a new one")
    if row is None or row["status"] is None:
        raise Conflict("the first request with this Idempotency-Key still runs", retry_after_s=1)
    return Answer(
        status=row["status"], body=sealer.unseal(row["body_sealed"], purpose=asked.purpose)
    )


async def keep(connection: Connection, asked: Asked, answer: Answer, sealer: Sealer) -> None:
    """Keep the answer for whoever repeats the request."""
    sealed = sealer.seal(answer.body, purpose=asked.purpose)
    await connection.execute(_SQL["keep"], asked.actor, asked.key, answer.status, sealed)


async def release(connection: Connection, asked: Asked) -> None:
    """Let the request be made again: the first one did nothing."""
    await connection.execute(_SQL["release"], asked.actor, asked.key)


async def forget_old(connection: Connection) -> None:
    """Delete answers that nobody will ask for any more."""
    await connection.execute(_SQL["forget_old"], ANSWER_LIFE)
