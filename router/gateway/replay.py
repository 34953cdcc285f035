"""Idempotency-Key: the answer is kept in the transaction of the effect, with the tenant's rows."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from router.errors import BadRequest, Conflict, Unprocessable

if TYPE_CHECKING:
    from litestar.types import (
        HTTPResponseStartEvent,
        HTTPScope,
        Receive,
        ReceiveMessage,
        Send,
    )

    from router.lease import Lease

KEY_LENGTH_MAX = 255
#: A larger answer isn't kept, and the request that would make one is refused.
ANSWER_BYTES_MAX = 1_048_576
_FAILED = 400
#: Headers that belong to one delivery and not to the answer.
_NOT_KEPT = frozenset({b"content-length", b"date", b"server", b"x-request-id"})

_CLAIM = """
    INSERT INTO stepwell_answer (key, fingerprint) VALUES ($1, '')
    ON CONFLICT (tenant_id, key) DO NOTHING RETURNING true
"""
_FIND = "SELECT fingerprint, status, headers::text, body FROM stepwell_answer WHERE key = $1"
_KEEP = """
    UPDATE stepwell_answer SET fingerprint = $2, status = $3, headers = $4::text::jsonb, body = $5
    WHERE key = $1
"""
_DROP = "DELETE FROM stepwell_answer WHERE key = $1"


class KeptAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as it was given the first time."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    async def send(self, send: Send) -> None:
        """Give it again."""
        headers = [(name.encode(), value.encode()) for name, value in self.headers]
        headers += [(b"content-length", b"%d" % len(self.body)), (b"idempotency-replayed", b"true")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


class Claim:
    """One use of one key. Two at once: the second waits in PostgreSQL for the first to end."""

    def __init__(self, key: str, scope: HTTPScope, receive: Receive) -> None:
        self._key = key
        self._is_kept = False
        self._hash = hashlib.sha256(
            b"\n".join(
                [
                    scope["method"].encode(),
                    scope["path"].encode(),
                    scope["query_string"],
                    b"",
                ]
            )
        )
        self._receive = receive

    async def receive(self) -> ReceiveMessage:
        """Pass the request's body on, and take its fingerprint on the way."""
        message = await self._receive()
        if message["type"] == "http.request":
            self._hash.update(message["body"])
        return message

    async def taken(self, lease: Lease) -> KeptAnswer | None:
        """Claim the key; return the kept answer when it was used before for the same request."""
        if await lease.fetchrow(_CLAIM, self._key) is not None:
            return None
        record = await lease.fetchrow(_FIND, self._key)
        if record is None or record["status"] is None:
            raise Conflict("a request with this Idempotency-Key is still running; try again")
        while (await self.receive()).get("more_body", False):
            pass
        if record["fingerprint"] != self._hash.digest():
            raise Unprocessable(
                "this Idempotency-Key was used for another request; draw a new one for each request"
            )
        return KeptAnswer(
            status=record["status"],
            headers=msgspec.json.decode(record["headers"], type=list[tuple[str, str]]),
            body=record["body"],
        )

    async def keep(self, lease: Lease, start: HTTPResponseStartEvent, body: bytes) -> None:
        """Keep the answer of a request that succeeded; one that failed may be sent again."""
        if start["status"] >= _FAILED:
            return
        if len(body) > ANSWER_BYTES_MAX:
            raise Unprocessable(
                f"an answer of {len(body)} bytes can't be kept; send the request without a key"
            )
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in start["headers"]
            if name.lower() not in _NOT_KEPT
        ]
        await lease.execute(
            _KEEP,
            self._key,
            self._hash.digest(),
            start["status"],
            msgspec.json.encode(headers).decode(),
            body,
        )
        self._is_kept = True

    async def settle(self, lease: Lease) -> None:
        """Let the key be used again if no answer was kept: a streamed one passes by unseen."""
        if not self._is_kept:
            await lease.execute(_DROP, self._key)


def read_key(values: list[str]) -> str | None:
    """Return the request's Idempotency-Key, or None."""
    if not values:
        return None
    key = values[0]
    if len(values) > 1 or not 1 <= len(key) <= KEY_LENGTH_MAX or not key.isprintable():
        raise BadRequest(
            f"Idempotency-Key must be given once, as 1 to {KEY_LENGTH_MAX} printable characters"
        )
    return key
