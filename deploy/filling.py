"""Fills columns of rows that are there already: in batches, tenant by tenant, one after another.

A batch and the note how far it went are one transaction, so that each row is filled once whoever is
killed. It is written as the platform's own work, through the gate, and rests where the neighbours
feel it, as a move does.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import msgspec

from migrations.waves.inside import Outdated
from promotion.pace import Pace, PaceLimits, at_once
from promotion.side import Bounds, Side
from router.names import quote
from router.sql import load
from router.words import Placement, TenantId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from migrations.waves.inside import Filling, Report
    from router.catalog.wave_words import Place
    from router.connect import Connection
    from router.fleet import Fleet

_SQL = load("deploy", "filling.sql")
_PURPOSE = "migration"
#: Whom the probes look for: nobody, as what they measure is the look itself.
NOBODY: TenantId = UUID(int=0)


class FillLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How patient a filler is with customers whose rows it meets.

    ``lock_ms`` is how long a batch waits for a row, holding those that it has; a batch that waited
    in vain is tried ``lock_attempts_max`` times before the place is left alone for a while.
    """

    lock_ms: int = 200
    statement_ms: int = 60_000
    lock_attempts_max: int = 20
    lock_pause_s: float = 0.2
    pace: PaceLimits = PaceLimits()


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """How far a fill is in a place: the last tenant, its last key, and the rows of all batches.

    ``is_whole``: that tenant has no more rows.
    """

    tenant: UUID | None = None
    key: tuple[str, ...] | None = None
    is_whole: bool = False
    rows: int = 0

    def is_beyond(self, tenant_id: TenantId) -> bool:
        """Whether a tenant's rows are done; tenants come in the order of their ids."""
        if self.tenant is None:
            return False
        return self.tenant > tenant_id or (self.tenant == tenant_id and self.is_whole)


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one batch did, how far everything is, and whether its tenant may have more rows."""

    reached: Reached
    rows: int = 0
    is_more: bool = False


class Filler:
    """Does the steps of revisions that fill columns."""

    def __init__(self, fleet: Fleet, limits: FillLimits | None = None) -> None:
        self._fleet = fleet
        self._limits = limits or FillLimits()

    async def __call__(self, filling: Filling, report: Report) -> None:
        """Return when all rows of before are filled; may be begun again at any time."""
        place = filling.place
        async with contextlib.AsyncExitStack() as stack:
            seat = side_of(self._fleet, place, NOBODY)
            connection = await stack.enter_async_context(seat.connection(_PURPOSE))
            batches = Batches(connection, filling, await _spell(connection, filling))
            rest, rows, in_all = at_once, 0, 0
            for tenant in await connection.fetch(_SQL["tenants"], place.schema):
                side, is_more = side_of(self._fleet, place, tenant["tenant_id"]), True
                while is_more:
                    batch = await self._patiently(batches, side)
                    is_more, in_all = batch.is_more, batch.reached.rows
                    if not batch.rows:
                        continue
                    await report(in_all)
                    rows += batch.rows
                    # What is done in one batch is felt by nobody.
                    if rest is at_once and rows >= filling.step.batch_rows_max:
                        pace = Pace([seat], self._limits.pace).watching(_PURPOSE)
                        rest = (await stack.enter_async_context(pace)).rest
                    await rest()
        await report.end(in_all)

    async def _patiently(self, batches: Batches, side: Side) -> Batch:
        """Do one batch, waiting for whoever holds its rows."""
        limits = self._limits
        bounds = Bounds(lock_ms=limits.lock_ms, statement_ms=limits.statement_ms, is_durable=False)
        for _ in range(limits.lock_attempts_max - 1):
            try:
                return await batches.next(side, bounds)
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                await asyncio.sleep(limits.lock_pause_s)
        return await batches.next(side, bounds)


class Batches:
    """The batches of one fill in one place."""

    def __init__(self, connection: Connection, filling: Filling, spelled: Spelled) -> None:
        self._connection = connection
        self._filling = filling
        self._spelled = spelled

    async def next(self, side: Side, bounds: Bounds) -> Batch:
        """Fill a tenant's next rows, and note it."""
        async with side.transaction(self._connection, bounds=bounds):
            reached = await self._hold()
            if reached.is_beyond(side.tenant_id):
                return Batch(reached=reached)
            after = reached.key if reached.tenant == side.tenant_id else None
            upto = await self._connection.fetchrow(self._spelled.find(after), *(after or ()))
            key = None if upto is None else tuple(str(each) for each in upto)
            update = self._spelled.update(after, key)
            ended = await self._connection.execute(update, *(after or ()), *(key or ()))
            rows = int(ended.rpartition(" ")[2])
            if rows:
                reached = Reached(
                    tenant=side.tenant_id, key=key, is_whole=key is None, rows=reached.rows + rows
                )
                await self._note(reached)
        return Batch(reached=reached, rows=rows, is_more=key is not None)

    async def _hold(self) -> Reached:
        filling = self._filling
        held = await self._connection.fetchrow(
            _SQL["hold"],
            filling.place.schema,
            filling.revision,
            filling.mark,
            filling.steps_done,
        )
        if held is None:
            raise Outdated(f"revision {filling.revision} went on without this filler")
        return msgspec.json.decode(held["progress"] or "{}", type=Reached)

    async def _note(self, reached: Reached) -> None:
        said = msgspec.json.encode(reached).decode()
        filling = self._filling
        await self._connection.execute(_SQL["note"], filling.place.schema, filling.revision, said)


class Spelled(msgspec.Struct, frozen=True, kw_only=True):
    """A backfill as statements; keys travel as text, and are compared as what they are."""

    table: str
    assignments: str
    where: str
    names: Sequence[str]
    types: Sequence[str]
    batch_rows_max: int

    def find(self, after: Sequence[str] | None) -> str:
        """Spell what returns the last key of the next batch, and nothing where less is left."""
        # Named anew, or ORDER BY would take the text for the column.
        keys = ", ".join(f"{name}::text AS key_{at}" for at, name in enumerate(self.names))
        order = ", ".join(self.names)
        return (
            f"SELECT {keys} FROM {self.table} WHERE ({self.where}){self._beyond(after)}"  # noqa: S608 - the revision's own words, and names that are quoted
            f" ORDER BY {order} OFFSET {self.batch_rows_max - 1} LIMIT 1"
        )

    def update(self, after: Sequence[str] | None, upto: Sequence[str] | None) -> str:
        """Spell what fills the rows between two keys."""
        bounds = self._beyond(after)
        if upto is not None:
            bounds += f" AND {self._row} <= ({self._given(len(after or ()))})"
        return f"UPDATE {self.table} SET {self.assignments} WHERE ({self.where}){bounds}"  # noqa: S608 - as above

    def _beyond(self, after: Sequence[str] | None) -> str:
        return "" if after is None else f" AND {self._row} > ({self._given(0)})"

    @property
    def _row(self) -> str:
        return f"({', '.join(self.names)})"

    def _given(self, first: int) -> str:
        numbered = enumerate(self.types, start=first + 1)
        return ", ".join(f"${number}::text::{type_sql}" for number, type_sql in numbered)


async def _spell(connection: Connection, filling: Filling) -> Spelled:
    """Look up by what the rows of a table are told apart."""
    step = filling.step
    columns = await connection.fetch(_SQL["key"], filling.place.schema, step.table)
    if not columns:
        raise asyncpg.UndefinedTableError(
            f"backfill: there is no table {step.table} whose key has a column of the product"
        )
    return Spelled(
        table=quote(step.table),
        assignments=step.assignments,
        where=step.where,
        names=[quote(column["name"]) for column in columns],
        types=[column["type_sql"] for column in columns],
        batch_rows_max=step.batch_rows_max,
    )


def side_of(fleet: Fleet, place: Place, tenant_id: TenantId) -> Side:
    """Return a tenant's side; the platform's own work is let in at any epoch."""
    placement = Placement(
        tier=place.tier,
        cluster=place.cluster,
        database=place.database,
        schema=place.schema,
        login="",
        epoch=1,
    )
    return Side(fleet=fleet, tenant_id=tenant_id, placement=placement)
