"""What a mover says to the gates at both ends: who works here, who lives here, and since when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from router.catalog.operations import Superseded
from router.errors import Conflict
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from promotion.side import Mover, Side
    from router.connect import Connection
    from router.words import Placement, TenantId

_SQL = load("promotion", "homes.sql")
_APPLICATION = "stepwell move "
_OUST_LOCK = "SET LOCAL lock_timeout = '5s'"


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """What a gate says of a tenant."""

    state: str
    epoch: int
    capture: bool


async def take_over(
    connection: Connection, mover: Mover, tenant_id: TenantId, *, spared: list[int]
) -> None:
    """Become the only mover here: older ones can't write any more, and their sessions end.

    ``spared`` are this mover's own backends. Raises Superseded when a younger one has taken over.
    An operation that ended meanwhile is enlisted here again: ask the catalog before anything is
    done under this token.
    """
    await connection.execute(_SQL["enlist"], mover.move_id, tenant_id, mover.token)
    if await connection.fetchval(_SQL["token"], mover.move_id) > mover.token:
        raise _superseded(mover)
    application = f"{_APPLICATION}{mover.move_id}"
    # First their sessions, which may hold what the next statement waits for; and once more, as one
    # of them may have connected in between.
    await connection.fetchval(_SQL["end_predecessors"], application, spared)
    if await connection.fetchval(_SQL["take_over"], mover.move_id, mover.token) is None:
        raise _superseded(mover)
    await connection.fetchval(_SQL["end_predecessors"], application, spared)


async def take_over_as_ours(
    connection: Connection,
    mover: Mover,
    tenant_id: TenantId,
    *,
    check_ours: Callable[[], Awaitable[object]],
) -> None:
    """Take over while the operation is this process's, and leave nothing behind where it isn't.

    ``check_ours`` raises Superseded. It is asked before, as whoever slept through the end of its
    operation would enlist that one here again; and once more, as it may have ended in between.
    """
    await check_ours()
    await take_over(connection, mover, tenant_id, spared=[connection.get_server_pid()])
    try:
        await check_ours()
    except Superseded:
        await withdraw(connection, mover)
        raise


async def oust_others(connection: Connection, mover: Mover, tenant_id: TenantId) -> None:
    """Keep every other mover of a tenant from writing here ever again, under any token.

    For whoever ends a move, one way or the other: of its keepers one may stand still with a round
    in its hand, however long ago its operation ended. Raises Superseded.
    """
    async with connection.transaction():
        await connection.execute(_OUST_LOCK)
        # Not without this: one that was stopped here must not oust those that came after it.
        await mover.hold(connection)
        await connection.fetchval(_SQL["end_others"], tenant_id, mover.move_id, _APPLICATION)
        await connection.execute(_SQL["oust_others"], tenant_id, mover.move_id)


async def withdraw(connection: Connection, mover: Mover) -> None:
    """Take back that a mover took over, where it did nothing else."""
    await connection.execute(_SQL["withdraw"], mover.move_id, mover.token)


async def find(connection: Connection, tenant_id: TenantId) -> Home | None:
    """Return what the gate of this database says of a tenant."""
    row = await connection.fetchrow(_SQL["find"], tenant_id)
    if row is None:
        return None
    return Home(state=row["state"], epoch=row["epoch"], capture=row["capture"])


async def receive(connection: Connection, source: Side, target: Side) -> None:
    """Announce a tenant that may not enter yet; whoever asks here is sent to where it still is."""
    place = target.placement
    received = await connection.fetchval(
        _SQL["receive"],
        target.tenant_id,
        place.epoch,
        place.schema,
        place.login,
        _encoded(source.placement),
    )
    if received is None:
        raise Conflict(
            f"tenant {target.tenant_id} is at home in database {place.database} already, at an "
            f"epoch other than {place.epoch}: look at gate.home there"
        )


async def open_at(connection: Connection, source: Side, target: Side, *, captured: bool) -> None:
    """Let a tenant in under an epoch that nobody knows before the decision, so nobody comes.

    It must not be told here either: who asks with an old epoch is still sent to the source, which
    sends everybody back once it was left.
    """
    place = target.placement
    opened = await connection.fetchval(
        _SQL["open"],
        target.tenant_id,
        place.epoch,
        place.schema,
        place.login,
        _encoded(source.placement),
        captured,
    )
    if opened is None:
        raise Conflict(f"tenant {target.tenant_id} has a newer home than epoch {place.epoch}")


async def own(connection: Connection, target: Side) -> None:
    """Let the new home say, after the decision, that it is the home."""
    await connection.execute(
        _SQL["own"], target.tenant_id, target.placement.epoch, _encoded(target.placement)
    )


async def leave(connection: Connection, source: Side, target: Side) -> None:
    """Shut the source for ever, and say where the tenant went: this commits as the decision."""
    left = await connection.fetchval(
        _SQL["leave"],
        source.tenant_id,
        source.placement.epoch,
        target.placement.epoch,
        _encoded(target.placement),
    )
    _assert_was_home(left, source)


async def turn(connection: Connection, source: Side, target: Side, *, captured: bool) -> None:
    """The same where both ends are in one database, which has one gate."""
    place = target.placement
    turned = await connection.fetchval(
        _SQL["turn"],
        source.tenant_id,
        source.placement.epoch,
        place.epoch,
        place.schema,
        place.login,
        _encoded(place),
        captured,
    )
    _assert_was_home(turned, source)


async def delay(connection: Connection, tenant_id: TenantId, delay_ms: int) -> None:
    """Have each writing transaction of the tenant wait a little at the gate."""
    await connection.execute(_SQL["delay"], tenant_id, delay_ms)


async def put_to_sleep(connection: Connection, tenant_id: TenantId) -> None:
    """Let the tenant's changes go unwritten and undelayed again, in a transaction that holds.

    Never without Mover.hold: a mover that was stopped for an hour would put the capture of the
    tenant's next move to sleep, and that move would lose rows.
    """
    await connection.execute(_SQL["sleep"], tenant_id)


async def forget_changes(connection: Connection, tenant_id: TenantId) -> None:
    """Delete the tenant's log, in a transaction that holds: the next move's may be there by now."""
    await connection.execute(_SQL["forget_changes"], tenant_id)


async def revision(connection: Connection, side: Side) -> str | None:
    """Return the product's revision of one end's schema."""
    found: str | None = await connection.fetchval(_SQL["revision"], side.placement.schema)
    return found


async def forget_never_home(connection: Connection, side: Side) -> None:
    """Take back what announced a tenant at a place that never became its home."""
    await connection.execute(_SQL["forget_never_home"], side.tenant_id, side.placement.epoch)


async def dismiss(connection: Connection, mover: Mover) -> None:
    """Forget a move here: no mover can write for it any more. A younger mover's stays."""
    await connection.execute(_SQL["dismiss"], mover.move_id, mover.token)


async def dismiss_all(connection: Connection, tenant_id: TenantId) -> None:
    """Forget every move of a tenant here: none is under way."""
    await connection.execute(_SQL["dismiss_all"], tenant_id)


def _superseded(mover: Mover) -> Superseded:
    return Superseded(f"move {mover.move_id} isn't held by fencing token {mover.token} any more")


def _assert_was_home(found: object, source: Side) -> None:
    if found is None:
        raise Conflict(
            f"tenant {source.tenant_id} isn't at home in {source.placement.database} at epoch "
            f"{source.placement.epoch} any more: somebody else moved it"
        )


def _encoded(place: Placement) -> str:
    return msgspec.json.encode(place).decode()
