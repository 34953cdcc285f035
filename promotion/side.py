"""One end of a move, the transactions that a mover opens there, and its right to write in them."""

from __future__ import annotations

import contextlib
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

import asyncpg
import msgspec

from router.alchemy import REFERENCE_SCHEMA
from router.capability import sign
from router.catalog.operations import Superseded
from router.connect import connect
from router.errors import DatabaseUnreachable
from router.fleet import Fleet
from router.names import quote
from router.stored_rows import CANONICAL
from router.words import Consistency, Mode, Placement, TenantId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from router.connect import Connection

#: How long a dead or stuck connection may hold up the error that came first.
_FAREWELL_S_MAX = 5.0
_HOLD = "SELECT data::text FROM gate.move WHERE move_id = $1 AND token = $2 FOR UPDATE"
_NOTE = (
    "UPDATE gate.move SET data = data || jsonb_build_object($3::text, $4::text::jsonb)"
    " WHERE move_id = $1 AND token = $2 RETURNING 1"
)


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a transaction of a mover may take; 0 is without end.

    One that isn't durable commits without waiting for the disk: a crash of the server may undo it,
    but not it alone, so whatever was noted in it is undone as well.
    """

    statement_ms: int = 0
    lock_ms: int = 5_000
    idle_ms: int = 60_000
    is_durable: bool = True


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One end of a move: a tenant's tables at one placement, as the platform sees them."""

    fleet: Fleet
    tenant_id: TenantId
    placement: Placement

    @property
    def schema(self) -> str:
        """The schema of the tables, unquoted."""
        return self.placement.schema

    def place(self, table: str) -> str:
        """Spell a table with its schema."""
        return f"{quote(self.placement.schema)}.{quote(table)}"

    def opening(
        self,
        consistency: Consistency = Consistency.READ_COMMITTED,
        *,
        bounds: Bounds,
        is_read_only: bool = False,
    ) -> str:
        """Spell the one message that begins a transaction of the tables' owner, in the gate."""
        place = self.placement
        capability = sign(
            self.tenant_id,
            place,
            Mode.MOVE,
            key=self.fleet.key(place.cluster, place.database),
            now_ms=time.time_ns() // 1_000_000,
        )
        access = "READ ONLY" if is_read_only else "READ WRITE"
        durability = "" if bounds.is_durable else "SET LOCAL synchronous_commit = off;"
        return (
            f"BEGIN ISOLATION LEVEL {consistency.value}, {access};"
            f"SET LOCAL ROLE stepwell_owner; SET LOCAL search_path = {quote(place.schema)},"
            f"{REFERENCE_SCHEMA}; {CANONICAL};"
            f"SET LOCAL statement_timeout = {bounds.statement_ms};"
            f"SET LOCAL lock_timeout = {bounds.lock_ms};"
            f"SET LOCAL idle_in_transaction_session_timeout = {bounds.idle_ms};"
            f"{durability} SELECT gate.enter('{capability}')"
        )

    @asynccontextmanager
    async def connection(self, of: str = "") -> AsyncGenerator[Connection]:
        """Open the administrator's connection; pg_stat_activity shows it as ``stepwell move``.

        ``of`` stands after that, so that a successor finds what its predecessor left running.
        """
        address = self.fleet.admin_address(self.placement.cluster, self.placement.database)
        connection = await connect(address, purpose=f"move {of}".rstrip())
        try:
            yield connection
        finally:
            try:
                await connection.close(timeout=_FAREWELL_S_MAX)
            except Exception:  # noqa: BLE001 - it is dead, and why is told by the error that came first
                connection.terminate()

    @asynccontextmanager
    async def transaction(
        self,
        connection: Connection,
        consistency: Consistency = Consistency.READ_COMMITTED,
        *,
        bounds: Bounds,
        is_read_only: bool = False,
    ) -> AsyncGenerator[None]:
        """Run one transaction; the first error is the one that comes out, also of a dead server.

        DatabaseUnreachable means that the connection was lost; if that was at the very end, nobody
        but the database knows whether the transaction was committed.
        """
        try:
            await connection.execute(
                self.opening(consistency, bounds=bounds, is_read_only=is_read_only)
            )
            yield
            # PostgreSQL answers the COMMIT of a failed transaction politely, with a ROLLBACK.
            ended = await connection.execute("COMMIT")
            assert ended == "COMMIT", "an error inside a transaction was kept from its end"
        except BaseException as error:
            if _is_loss(error, connection):
                connection.terminate()
                place = f"{self.placement.database} on {self.placement.cluster}"
                raise DatabaseUnreachable(f"the connection to {place} was lost: {error}") from error
            await roll_back(connection)
            raise


class Mover(msgspec.Struct, frozen=True, kw_only=True):
    """The right to work on a move, in every database it touches: the operation's fencing token."""

    move_id: UUID
    token: int

    async def hold(self, connection: Connection) -> dict[str, msgspec.Raw]:
        """Lock the move until the transaction ends, and return its progress here, by part.

        Raises Superseded when another mover has taken over: nothing was written then.
        """
        data = await connection.fetchval(_HOLD, self.move_id, self.token)
        if data is None:
            raise self._superseded()
        return msgspec.json.decode(data, type=dict[str, msgspec.Raw])

    async def note(self, connection: Connection, part: str, progress: object) -> None:
        """Write one part's progress; it commits with the rows that it speaks of."""
        encoded = msgspec.json.encode(progress).decode()
        if not await connection.fetchval(_NOTE, self.move_id, self.token, part, encoded):
            raise self._superseded()

    def _superseded(self) -> Superseded:
        return Superseded(f"move {self.move_id} isn't held by fencing token {self.token} any more")


def _is_loss(error: BaseException, connection: Connection) -> bool:
    # asyncpg says InternalClientError where the server's farewell came in the midst of something.
    if isinstance(error, asyncpg.InternalClientError):
        return True
    foreign = isinstance(error, OSError | asyncpg.PostgresError | asyncpg.InterfaceError)
    return foreign and connection.is_closed()


async def roll_back(connection: Connection) -> None:
    """Take a transaction back, or give the connection up: never an error of its own."""
    if connection.is_closed():
        return
    try:
        await connection.execute("ROLLBACK", timeout=_FAREWELL_S_MAX)
    except Exception:  # noqa: BLE001 - as in Side.connection
        with contextlib.suppress(Exception):
            connection.terminate()
