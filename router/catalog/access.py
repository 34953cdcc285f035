"""Staff's access to a tenant's rows: for a reason, for minutes, and under the tenant's own eyes.

Reading begins when it is asked for; writing needs a second person. Every step is in the tenant's
own audit, every request too, and the end carries the digest of the transcript.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import uuid4

import msgspec

from router.catalog import audit, moves, staff, tenants, tokens
from router.catalog.access_words import (
    Access,
    AccessMode,
    AccessState,
    Begun,
    By,
    Entered,
    Line,
    Wanted,
)
from router.catalog.audit import Deed
from router.catalog.catalog import Page
from router.errors import Conflict, NotAllowed, NotFound, Unprocessable
from router.sealing import hash_token
from router.sql import load
from router.words import TenantStatus

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from router.connect import Connection
    from router.words import TenantId

REASON_LENGTH_MAX: Final = 500
TICKET_LENGTH_MAX: Final = 100
#: A longer path, or statement, is cut in the transcript.
PATH_LENGTH_MAX: Final = 2_000
STATEMENT_LENGTH_MAX: Final = 2_000
#: Requests of one access. Whoever needs more needs another way.
REQUESTS_MAX: Final = 10_000
_RUN_OUT_MAX: Final = 100
_SQL = load("router.catalog", "access.sql")


async def ask(connection: Connection, wanted: Wanted, *, minutes_max: int, by: By) -> Access:
    """Ask for access to one tenant; needs a transaction."""
    tenant = (await tenants.get(connection, wanted.tenant)).tenant
    if tenant.status is TenantStatus.ERASED:
        raise Conflict(f"tenant {tenant.slug} was erased: there is nothing to see")
    if not 1 <= wanted.minutes <= minutes_max:
        raise Unprocessable(
            f"an access takes 1 to {minutes_max} minutes (STEPWELL_ACCESS_MINUTES_MAX): ask again "
            "when they are over",
            field="minutes",
        )
    if wanted.mode is AccessMode.WRITE and by.name in staff.UNNAMED:
        raise NotAllowed("who writes has a name: log in as one of the staff to ask for that")
    access_id = uuid4()
    await connection.execute(
        _SQL["ask"],
        access_id,
        tenant.id,
        wanted.mode.value,
        _said(by.reason or "", "reason", REASON_LENGTH_MAX),
        _said(wanted.ticket, "ticket", TICKET_LENGTH_MAX),
        wanted.minutes,
        by.name,
    )
    asked = await get(connection, access_id)
    detail: dict[str, object] = {
        "mode": wanted.mode,
        "minutes": wanted.minutes,
        "ticket": asked.ticket,
    }
    await _note(connection, "access.ask", asked, by, detail)
    await _tell(connection, "access.ask", asked)
    return asked


async def approve(connection: Connection, access_id: UUID, *, by: By) -> Access:
    """Let somebody else write; needs a transaction."""
    asked = await _locked(connection, access_id)
    if asked.mode is AccessMode.READ:
        raise Conflict(f"access {access_id} only reads: {asked.requested_by} needs no approval")
    if asked.state is not AccessState.REQUESTED:
        raise Conflict(f"access {access_id} is {asked.state}: there is nothing to approve")
    await staff.check_second(connection, asked_by=asked.requested_by, by=by.name)
    await connection.execute(_SQL["approve"], access_id, by.name)
    await _note(connection, "access.approve", asked, by, {"mode": asked.mode})
    return await get(connection, access_id)


async def deny(connection: Connection, access_id: UUID, *, by: By) -> Access:
    """Refuse what somebody asked for, before it begins; needs a transaction."""
    asked = await _locked(connection, access_id)
    if asked.begun_at is not None or asked.ended_at is not None:
        raise Conflict(f"access {access_id} is {asked.state}: there is nothing to deny")
    if by.name == asked.requested_by and by.name not in staff.UNNAMED:
        raise Conflict(f"access {access_id} is your own: end it instead")
    await connection.execute(_SQL["end"], access_id, by.name)
    await _note(connection, "access.deny", asked, by, {})
    return await get(connection, access_id)


async def enter(connection: Connection, access_id: UUID, *, by: By) -> Entered:
    """Begin an access, and draw the one token that it ever has; needs a transaction."""
    asked = await _locked(connection, access_id)
    if by.name != asked.requested_by:
        raise NotAllowed(f"access {access_id} is {asked.requested_by}'s: ask for one of your own")
    if asked.state is AccessState.REQUESTED:
        raise Conflict(f"access {access_id} writes: another person must approve it first")
    if asked.state is AccessState.ACTIVE:
        raise Conflict(
            f"access {access_id} was entered already, and its token is shown once: end it, and ask "
            "for another one, if the token is lost"
        )
    if asked.state is not AccessState.READY:
        raise Conflict(f"access {access_id} is {asked.state}: ask for another one")
    token = tokens.draw_access()
    await connection.execute(_SQL["enter"], access_id, hash_token(token))
    begun = await get(connection, access_id)
    detail: dict[str, object] = {
        "mode": begun.mode,
        "until": f"{begun.ends_at:%Y-%m-%d %H:%M:%S} UTC",
    }
    await _note(connection, "access.begin", begun, by, detail)
    await _tell(connection, "access.begin", begun)
    return Entered(access=begun, token=token)


async def end(connection: Connection, access_id: UUID, *, by: By) -> Access:
    """End an access, or take a request back; what has ended stays so. Needs a transaction."""
    known = await _locked(connection, access_id)
    if known.ended_at is not None:
        return known
    if known.begun_at is None:
        await connection.execute(_SQL["end"], access_id, by.name)
        await _note(connection, "access.withdraw", known, by, {})
    else:
        await _end_begun(connection, known, by)
    return await get(connection, access_id)


async def end_all_of(connection: Connection, name: str, *, by: By) -> None:
    """End whatever one person asked for; needs a transaction."""
    for row in await connection.fetch(_SQL["open_of"], name):
        await end(connection, row["id"], by=by)


async def end_run_out(connection: Connection, *, by: By) -> int:
    """Write down the end of those whose time is over; needs a transaction.

    They were good for nothing before: each request, and each statement, asks for the time itself.
    """
    rows = await connection.fetch(_SQL["list_run_out"], _RUN_OUT_MAX)
    for row in rows:
        known = await _locked(connection, row["id"])
        if known.ended_at is None:
            await _end_begun(connection, known, by)
    return len(rows)


async def get(connection: Connection, access_id: UUID) -> Access:
    """Return an access, or raise NotFound."""
    row = await connection.fetchrow(_SQL["find"], access_id)
    if row is None:
        raise NotFound(f"there is no access {access_id}")
    return _access(row)


async def list_page(
    connection: Connection,
    *,
    tenant_id: TenantId | None = None,
    state: AccessState | None = None,
    before: UUID | None = None,
    items_max: int = 50,
) -> Page[Access]:
    """List accesses from the newest; ``before`` is the cursor that the last page gave."""
    rows = await connection.fetch(_SQL["list"], tenant_id, state, before, items_max + 1)
    items = tuple(_access(row) for row in rows[:items_max])
    return Page(items=items, next=str(items[-1].id) if len(rows) > items_max else None)


async def begin_line(connection: Connection, access_id: UUID, begun: Begun, by: By) -> int | None:
    """Write down a request before it runs; None when the access has ended, or has no more.

    Needs a transaction.
    """
    path = begun.path[:PATH_LENGTH_MAX]
    position: int | None = await connection.fetchval(
        _SQL["begin_line"], access_id, begun.request_id, begun.method, path, REQUESTS_MAX
    )
    if position is not None:
        detail: dict[str, object] = {"request": f"{begun.method} {path}"}
        await _note(connection, "access.use", await get(connection, access_id), by, detail)
    return position


async def tell_statement(
    connection: Connection, access_id: UUID, position: int, *, number: int, text: str
) -> bool:
    """Write down a statement before it runs; False when the access has ended."""
    # A text that PostgreSQL can't hold can't be a statement for it either.
    text = text.replace("\x00", "")[:STATEMENT_LENGTH_MAX]
    told: bool | None = await connection.fetchval(_SQL["tell"], access_id, position, number, text)
    return told is not None


async def finish_line(
    connection: Connection, access_id: UUID, position: int, *, status: int
) -> bool:
    """Complete a line; False when the access was ended meanwhile, and the line stays as it is."""
    told: bool | None = await connection.fetchval(_SQL["finish_line"], access_id, position, status)
    return told is not None


async def transcript_page(
    connection: Connection, access_id: UUID, *, after: int = 0, items_max: int = 50
) -> Page[Line]:
    """Return what was done, in order; ``after`` is the cursor that the last page gave."""
    rows = await connection.fetch(_SQL["lines"], access_id, after, items_max + 1)
    items = tuple(msgspec.convert(dict(row), Line) for row in rows[:items_max])
    return Page(items=items, next=str(items[-1].position) if len(rows) > items_max else None)


async def is_vouched_for(connection: Connection, known: Access) -> bool | None:
    """Tell whether the transcript is what the audit says it was at the end; None before that."""
    row = await connection.fetchrow(_SQL["vouched"], known.tenant_id, str(known.id))
    if row is None:
        return None
    digest: str | None = await connection.fetchval(_SQL["digest"], known.id)
    return bool(row["transcript"] == digest)


async def _locked(connection: Connection, access_id: UUID) -> Access:
    await connection.execute(_SQL["lock"], access_id)
    return await get(connection, access_id)


async def _end_begun(connection: Connection, known: Access, by: By) -> None:
    ended_by = None if known.state is AccessState.ENDED else by.name
    if ended_by is None:
        await connection.execute(_SQL["run_out"], known.id)
    else:
        await connection.execute(_SQL["end"], known.id, ended_by)
    detail: dict[str, object] = {
        "by": ended_by or "time",
        "requests": known.requests,
        "transcript": await connection.fetchval(_SQL["digest"], known.id),
    }
    await _note(connection, "access.end", known, by, detail)
    await _tell(connection, "access.end", msgspec.structs.replace(known, ended_by=ended_by))


async def _note(
    connection: Connection, action: str, access: Access, by: By, detail: dict[str, object]
) -> None:
    """Tell the tenant, in its own audit."""
    deed = Deed(
        actor=by.actor,
        action=action,
        target=str(access.id),
        tenant_id=access.tenant_id,
        reason=by.reason,
        detail=detail,
        request_id=by.request_id,
    )
    await audit.write(connection, deed)


async def _tell(connection: Connection, kind: str, access: Access) -> None:
    """Have the tenant's owners written to."""
    told: dict[str, object] = {
        "access": str(access.id),
        "mode": access.mode.value,
        "staff": access.requested_by,
        "reason": access.reason,
        "ticket": access.ticket,
        "minutes": access.minutes,
        "until": None if access.ends_at is None else access.ends_at.isoformat(),
        "ended_by": access.ended_by,
        "requests": access.requests,
    }
    await moves.put_out(connection, kind, access.tenant_id, told)


def _said(text: str, field: str, length_max: int) -> str:
    text = text.strip()
    if not 1 <= len(text) <= length_max or not text.isprintable():
        raise Unprocessable(
            f"an access needs a {field} of 1 to {length_max} printable characters", field=field
        )
    return text


def _access(row: asyncpg.Record) -> Access:
    return msgspec.convert(dict(row), Access, strict=False)
