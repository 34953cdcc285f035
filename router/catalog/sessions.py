"""Sessions: what a log-in opens. Log-in and switch of tenant each draw a new token."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.catalog import tokens
from router.errors import NotFound
from router.sealing import hash_token
from router.sql import load
from router.words import TenantId

if TYPE_CHECKING:
    from router.connect import Connection

SESSION_LIFE = timedelta(days=14)
LISTED_MAX = 200
_SQL = load("router.catalog", "sessions.sql")


class OpenedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session's token, which nobody can read again, and when it ends by itself."""

    token: str
    expires_at: datetime


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """How a session came about. ``proved_at`` is None when the person proved itself just now.

    ``only_tenant_id`` confines it to the tenant whose own provider said who the person is.
    """

    agent: str = ""
    source: str = ""
    proved_at: datetime | None = None
    only_tenant_id: TenantId | None = None


class ListedSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session as its person sees it: never its token."""

    id: UUID
    tenant: str | None
    created_at: datetime
    proved_at: datetime
    expires_at: datetime
    agent: str
    source: str
    is_current: bool


async def open_session(
    connection: Connection,
    account_id: UUID,
    *,
    tenant_id: TenantId | None = None,
    life: timedelta = SESSION_LIFE,
    opening: Opening = Opening(),  # noqa: B008 - a frozen value
) -> OpenedSession:
    """Open a session, in one tenant or in none; the caller has checked the membership."""
    token = tokens.draw_session()
    expires_at = await connection.fetchval(
        _SQL["open"],
        hash_token(token),
        account_id,
        tenant_id,
        life,
        opening.proved_at,
        opening.only_tenant_id,
        opening.agent,
        opening.source,
    )
    return OpenedSession(token=token, expires_at=expires_at)


async def proved_at(connection: Connection, token: str) -> datetime | None:
    """Return when the session's person last proved who it is."""
    found: datetime | None = await connection.fetchval(_SQL["proved_at"], hash_token(token))
    return found


async def list_open(connection: Connection, account_id: UUID, *, token: str) -> list[ListedSession]:
    """Return an account's open sessions, the newest first; ``token`` is of the one that asks."""
    current = hash_token(token)
    return [
        ListedSession(
            id=row["id"],
            tenant=row["slug"],
            created_at=row["created_at"],
            proved_at=row["proved_at"],
            expires_at=row["expires_at"],
            agent=row["agent"],
            source=row["source"],
            is_current=row["token_hash"] == current,
        )
        for row in await connection.fetch(_SQL["list"], account_id, LISTED_MAX)
    ]


async def end(connection: Connection, token: str) -> None:
    """End a session; one that has ended stays so."""
    await connection.execute(_SQL["end"], hash_token(token))


async def end_one(connection: Connection, account_id: UUID, session_id: UUID) -> None:
    """End one of an account's sessions, or raise NotFound, for another account's too."""
    if await connection.fetchval(_SQL["end_one"], account_id, session_id) is None:
        raise NotFound(f"you have no open session {session_id}")


async def end_others(connection: Connection, account_id: UUID, *, token: str) -> None:
    """End every session of an account but the one of this token."""
    await connection.execute(_SQL["end_others"], account_id, hash_token(token))


async def end_all(connection: Connection, account_id: UUID) -> None:
    """End every session of an account."""
    await connection.execute(_SQL["end_all"], account_id)


async def forget_old(connection: Connection) -> None:
    """Delete sessions that expired more than a day ago."""
    await connection.execute(_SQL["forget_old"])
