"""A lease: one transaction that sees one tenant's rows and no others.

Two lanes over the same transaction: ``session`` (SQLAlchemy, convenient) and ``fetch`` and its
kin (asyncpg, statements compiled once: fast). Both send the extended protocol only, so whatever
a value smuggles into a statement, a call stays one statement.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import asyncpg
import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from router import alchemy
from router.capability import sign
from router.errors import Conflict, DatabaseUnreachable, PlacementStale, TenantBusy
from router.names import quote
from router.words import Consistency, Mode, Placement, PlaceRevision, Tier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from uuid import UUID

    from router.capability import GateKey
    from router.pool import Link, Pool
    from router.statement import Statement

_FETCH_ROWS = 500
_DEAD_LINKS_MAX = 3
_DEAD = (
    OSError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.InterfaceError,
    # What asyncpg says where the server's farewell arrived before the end of the connection.
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)


class Timeouts(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds a lease; set by the router at each beginning, so nothing carries over."""

    statement_ms: int = 5_000
    lock_ms: int = 3_000
    idle_ms: int = 10_000


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that it takes to enter one tenant: who, where, how, for how long."""

    tenant_id: UUID
    placement: Placement
    key: GateKey
    mode: Mode = Mode.WRITE
    consistency: Consistency = Consistency.READ_COMMITTED
    timeouts: Timeouts = Timeouts()
    revision: PlaceRevision = PlaceRevision()

    def settings(self) -> dict[str, str]:
        """Return what the transaction runs under."""
        return {
            "search_path": f"{quote(self.placement.schema)},reference",
            "statement_timeout": str(self.timeouts.statement_ms),
            "lock_timeout": str(self.timeouts.lock_ms),
            "idle_in_transaction_session_timeout": str(self.timeouts.idle_ms),
        }

    def lasting_settings(self) -> dict[str, str]:
        """Return what a connection may begin with, as nearly all that it will serve have it alike.

        The name of a schema of one's own is no business of the tenant that comes next.
        """
        settings = self.settings()
        if self.placement.tier is Tier.SCHEMA:
            del settings["search_path"]
        return settings

    def opening(self, given: Mapping[str, str]) -> str:
        """Spell the one message that begins the transaction, signed for this moment.

        What an injected statement left on the connection must not reach the tenant that gets it
        next: RESET ALL ends settings, and not the role; the modes of a transaction would come from
        settings too, so each is named. ``given`` is what RESET ALL brings back: all else is said.
        """
        capability = sign(
            self.tenant_id,
            self.placement,
            self.mode,
            key=self.key,
            now_ms=time.time_ns() // 1_000_000,
        )
        access = "READ ONLY" if self.mode is Mode.READ else "READ WRITE"
        said = "".join(
            f"set_config('{name}','{value}',true),"
            for name, value in self.settings().items()
            if given.get(name) != value
        )
        return (
            f"BEGIN ISOLATION LEVEL {self.consistency.value},{access},NOT DEFERRABLE;"
            "RESET ALL;RESET ROLE;CLOSE ALL;"
            f"SELECT pg_advisory_unlock_all(),{said}gate.enter('{capability}')"
        )


class Moved(Exception):
    """The gate refused; ``place`` is where it says that the tenant is, None when it can't say."""

    def __init__(self, reason: str, place: Placement | None) -> None:
        super().__init__(reason)
        self.place = place


class Lease:
    """One open transaction of one tenant. Made by ``open_lease``; ended by commit or rollback."""

    __slots__ = (
        "_entry",
        "_has_ended",
        "_link",
        "_overheard",
        "_session",
        "_source",
        "_statements",
        "is_open",
    )

    def __init__(self, entry: Entry, link: Link, source: Source) -> None:
        self._entry = entry
        self._link = link
        self._source = source
        self._session: AsyncSession | None = None
        self._overheard: alchemy.Overhear | None = None
        self._has_ended = False
        self._statements = 0
        self.is_open = True

    @property
    def placement(self) -> Placement:
        """Where this lease reads and writes."""
        return self._entry.placement

    @property
    def revision(self) -> PlaceRevision:
        """At which revision of the product its tables are, as the router was told last."""
        return self._entry.revision

    @property
    def mode(self) -> Mode:
        """Whether this lease may write."""
        return self._entry.mode

    def overhear(self, told: alchemy.Overhear) -> None:
        """Tell of each statement, of either lane, before it runs; nothing may have run yet.

        What raises there keeps the statement from running, the commit of what was written too.
        """
        self._overheard = told

    async def session(self) -> AsyncSession:
        """Return the transaction as an AsyncSession, the same one at each call."""
        self._check()
        if self._session is None:
            connection = await self._source.side.attach(self._link)
            alchemy.begin_with(connection, self._begin_again, mark=self._entry.revision.mark)
            alchemy.overhear(connection, self._overheard)
            alchemy.adopt_transaction(connection, self._transaction)
            self._session = AsyncSession(
                bind=connection,
                expire_on_commit=False,
                # Whoever keeps the session beyond its lease gets an error, not the next tenant.
                close_resets_only=False,
                # Qualified names keep their plans when the connection changes schema, which those
                # of the other tiers never do.
                execution_options={"schema_translate_map": {None: self._entry.placement.schema}}
                if self._entry.placement.tier is Tier.SCHEMA
                else {},
            )
        return self._session

    async def fetch(self, statement: Statement | str, *values: object) -> list[asyncpg.Record]:
        """Run one statement and return its rows."""
        text, values = await self._ready(statement, values)
        try:
            return await self._link.raw.fetch(text, *values)
        except asyncpg.InvalidCachedStatementError as error:
            await self._start_over(error)
            return await self._link.raw.fetch(text, *values)

    async def fetchrow(self, statement: Statement | str, *values: object) -> asyncpg.Record | None:
        """Run one statement and return its first row, or None."""
        text, values = await self._ready(statement, values)
        try:
            return await self._link.raw.fetchrow(text, *values)
        except asyncpg.InvalidCachedStatementError as error:
            await self._start_over(error)
            return await self._link.raw.fetchrow(text, *values)

    async def execute(self, statement: Statement | str, *values: object) -> None:
        """Run one statement for its effect."""
        # Not Connection.execute: without values it sends the simple protocol, in which one text
        # may hold many statements.
        await self.fetch(statement, *values)

    async def stream(
        self, statement: Statement | str, *values: object
    ) -> AsyncIterator[asyncpg.Record]:
        """Run one statement and yield its rows, a bounded number of them in memory."""
        text, values = await self._ready(statement, values)
        try:
            async for record in self._stream(text, values):
                yield record
        except asyncpg.InvalidCachedStatementError as error:
            # No row has come. Unlike fetch(), a cursor leaves such a statement where it was.
            await self._link.raw.reload_schema_state()
            await self._start_over(error)
            async for record in self._stream(text, values):
                yield record

    async def _stream(self, text: str, values: tuple[object, ...]) -> AsyncIterator[asyncpg.Record]:
        raw = self._link.raw
        if self._source.pool.statements_max:
            cursor = raw.cursor(text, *values, prefetch=_FETCH_ROWS)
        else:
            # Without a name: a named statement would stay on the pooler's server.
            cursor = (await raw.prepare(text, name="")).cursor(*values, prefetch=_FETCH_ROWS)
        async for record in cursor:
            yield record

    async def commit(self) -> None:
        """Make the transaction durable and give the connection back."""
        self._check()
        try:
            await self._finish()
        except BaseException:
            self._give_up()
            raise
        self._has_ended = True
        self._source.pool.release(self._link)

    async def rollback(self) -> None:
        """Take the transaction back. Nobody waits: the connection comes clean behind the answer."""
        self._give_up()

    async def _finish(self) -> None:
        if self._session is not None:
            # Flushes, and ends the transaction if the session ever used it.
            await self._session.commit()
            self._detach(self._session)
        if self.is_open:
            await self._commit()
        if self._link.raw.is_in_transaction():
            raise Conflict("the request couldn't enter its tenant again and went on regardless")

    def _give_up(self) -> None:
        if self._has_ended:
            return
        self._has_ended = True
        self.is_open = False
        self._source.pool.recover(self._link, self._session)

    def _check(self) -> None:
        if self._has_ended:
            raise RuntimeError(
                f"the lease of tenant {self._entry.tenant_id} has ended; its connection may serve"
                " another tenant by now"
            )

    async def _begin_again(self) -> alchemy.Transaction:
        """Enter once more, after the product itself ended the transaction in mid-request."""
        self._check()
        try:
            await self._link.raw.execute(self._entry.opening(self._source.given))
        except asyncpg.PostgresError as error:
            refused = _translated(error, self._entry)
            if isinstance(refused, Moved):
                raise PlacementStale(
                    f"tenant {self._entry.tenant_id} moved between two transactions of one request"
                ) from error
            raise refused from error
        self.is_open = True
        return self._transaction

    async def _start_over(self, error: Exception) -> None:
        """Enter once more where the first statement was prepared for other tables.

        Whatever ran before it would be lost: then the error stands.
        """
        if self._statements > 1 or self._session is not None:
            raise error
        await self._rollback()
        await self._begin_again()

    async def _ready(
        self, statement: Statement | str, values: tuple[object, ...]
    ) -> tuple[str, tuple[object, ...]]:
        self._check()
        if not self.is_open:
            transaction = await self._begin_again()
            if self._link.alchemy is not None:
                alchemy.adopt_transaction(self._link.alchemy, transaction)
        self._statements += 1
        mark = self._entry.revision.mark
        if isinstance(statement, str):
            text = statement
        else:
            text = statement.spelled(self._entry.placement.schema)
            values = statement.arranged(values)
        if self._overheard is not None:
            await self._overheard(text)
        return text + mark if mark else text, values

    async def _commit(self) -> None:
        if self._overheard is not None and self._entry.mode is Mode.WRITE:
            await self._overheard("COMMIT")
        self.is_open = False
        if await self._link.raw.execute("COMMIT") == "ROLLBACK":
            # A statement had failed and the handler went on as if it had not.
            raise Conflict("a statement of this request failed, so nothing of it was kept")

    async def _rollback(self) -> None:
        self.is_open = False
        await self._link.raw.execute("ROLLBACK")

    @property
    def _transaction(self) -> alchemy.Transaction:
        return _Ends(self._commit, self._rollback)

    def _detach(self, session: AsyncSession) -> None:
        # Nothing is left to be said to the server, so this needs no await.
        session.sync_session.close()
        if self._link.alchemy is not None:
            alchemy.begin_with(self._link.alchemy, None)
            alchemy.adopt_transaction(self._link.alchemy, None)


class _Ends:
    """How SQLAlchemy ends the lease's transaction."""

    __slots__ = ("_commit", "_rollback")

    def __init__(
        self, commit: Callable[[], Awaitable[None]], rollback: Callable[[], Awaitable[None]]
    ) -> None:
        self._commit = commit
        self._rollback = rollback

    def commit(self) -> Awaitable[None]:
        return self._commit()

    def rollback(self) -> Awaitable[None]:
        return self._rollback()


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where leases of one login on one database come from: its connections, and their ORM side."""

    pool: Pool
    side: alchemy.AlchemySide

    @property
    def given(self) -> Mapping[str, str]:
        """The settings that each of its connections begins with."""
        return self.pool.address.settings


async def open_lease(entry: Entry, source: Source) -> Lease:
    """Enter the tenant: one round trip on a pooled connection.

    Raises Moved when the tenant is elsewhere and TenantBusy when its writes are held too long. A
    connection that the server dropped while it was idle is replaced, as nothing had run on it.
    """
    dead: Exception | None = None
    for _ in range(_DEAD_LINKS_MAX):
        link = await source.pool.acquire()
        try:
            await link.raw.execute(entry.opening(source.given))
        except _DEAD as error:
            link.raw.terminate()
            source.pool.release(link)
            dead = error
        except asyncpg.PostgresError as error:
            source.pool.recover(link)
            raise _translated(error, entry) from error
        except BaseException:
            source.pool.recover(link)
            raise
        else:
            return Lease(entry, link, source)
    raise DatabaseUnreachable(f"{source.pool.address!r} drops its connections: {dead}") from dead


def driver_error(error: BaseException) -> BaseException:
    """Return asyncpg's own error under SQLAlchemy's: it knows the constraint's name."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, asyncpg.PostgresError | asyncpg.InterfaceError):
        seen = getattr(seen, "orig", None) or seen.__cause__
    return seen or error


def _translated(error: asyncpg.PostgresError, entry: Entry) -> Exception:
    match error.sqlstate:
        case "SW001":
            return Moved(str(error), _place(error.detail))
        case "SW002" | "40001":
            # A key that was rotated meanwhile, or a snapshot older than a move: ask anew.
            return Moved(str(error), None)
        case "55P03" | "57014":
            return TenantBusy(f"tenant {entry.tenant_id} is being moved or locked; try again")
        case _:
            return DatabaseUnreachable(f"tenant {entry.tenant_id} can't be entered: {error}")


def _place(detail: str | None) -> Placement | None:
    try:
        return msgspec.json.decode(detail or "", type=Placement)
    except msgspec.DecodeError:
        return None
