"""Sessions: what a log-in opens. Log-in and switch of tenant each draw a new token."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from router.catalog import tokens
from router.sealing import hash_token
from router.sql import load

if TYPE_CHECKING:
    from uuid import UUID

    from router.connect import Connection
    from router.words import TenantId

SESSION_LIFE = timedelta(days=14)
_SQL = load("router.catalog", "sessions.sql")


class OpenedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session's token, which nobody can read again, and when it ends by itself."""

    token: str
    expires_at: datetime


async def open_session(
    connection: Connection,
    account_id: UUID,
    *,
    tenant_id: TenantId | None = None,
    life: timedelta = SESSION_LIFE,
) -> OpenedSession:
    """Open a session, in one tenant or in none; the caller has checked the membership."""
    token = tokens.draw_session()
    expires_at = await connection.fetchval(
        _SQL["open"], hash_token(token), account_id, tenant_id, life
    )
    return OpenedSession(token=token, expires_at=expires_at)


async def end(connection: Connection, token: str) -> None:
    """End a session; one that has ended stays so."""
    await connection.execute(_SQL["end"], hash_token(token))


async def end_all(connection: Connection, account_id: UUID) -> None:
    """End every session of an account."""
    await connection.execute(_SQL["end_all"], account_id)


async def forget_old(connection: Connection) -> None:
    """Delete sessions that expired more than a day ago."""
    await connection.execute(_SQL["forget_old"])
