"""SQLAlchemy's side of a lease: a dialect whose transactions are the gate's.

SQLAlchemy's asyncpg adapter begins a transaction by itself before the first statement. Here that
beginning, the commit and the rollback are the lease's, so a product that says ``session.commit()``
in a handler commits for good, and its next statement enters the gate again.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from sqlalchemy import Table
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import (
    AsyncAdapt_asyncpg_connection,
    AsyncAdapt_asyncpg_cursor,
    PGCompiler_asyncpg,
    PGDialect_asyncpg,
    PGIdentifierPreparer_asyncpg,
)
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sqlalchemy.dialects.postgresql.asyncpg import _AsyncpgTransaction
    from sqlalchemy.dialects.postgresql.dml import OnConflictClause
    from sqlalchemy.ext.asyncio import AsyncConnection

    from router.connect import Connection
    from router.pool import Link

TENANT_COLUMN = "tenant_id"
#: Where reference tables live in every database that holds tenants.
REFERENCE_SCHEMA = "reference"


class Transaction(Protocol):
    """What SQLAlchemy ends when it ends a transaction."""

    def commit(self) -> Awaitable[None]:
        """Make it durable."""
        ...

    def rollback(self) -> Awaitable[None]:
        """Take it back."""
        ...


if TYPE_CHECKING:
    Begin: TypeAlias = Callable[[], Awaitable[Transaction]]
    #: Is told of a statement, and may refuse it by raising.
    Overhear: TypeAlias = Callable[[str], Awaitable[None]]


class _Attaching:
    """The transaction in which SQLAlchemy asks a new connection for its version: not its own."""

    async def commit(self) -> None:
        """Leave it to the lease."""

    async def rollback(self) -> None:
        """Leave it to the lease."""


class StoredFormCompiler(PGCompiler_asyncpg):
    """Spells statements over the product's tables as the stored form needs them."""

    def _on_conflict_target(self, clause: OnConflictClause, **kw: Any) -> str:  # noqa: ANN401 - SQLAlchemy's signature
        """Put the tenant in front of inferred columns: each unique index begins with it."""
        target: str = super()._on_conflict_target(clause, **kw)  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its compilers untyped
        if clause.inferred_target_elements is not None:
            return f"({TENANT_COLUMN}, {target.removeprefix('(')}"
        return target


class _GateCursor(AsyncAdapt_asyncpg_cursor):
    __slots__ = ()

    async def _executemany(self, operation: str, seq_of_parameters: Any) -> Any:  # noqa: ANN401 - SQLAlchemy's signature
        # Many at once pass the connection's _prepare by.
        await cast("_GateConnection", self._adapt_connection).tell(operation)
        return await super()._executemany(operation, seq_of_parameters)  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its dialects untyped


class _GateConnection(AsyncAdapt_asyncpg_connection):
    __slots__ = ("begin", "mark", "overheard")

    _cursor_cls = _GateCursor

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - SQLAlchemy's signature
        super().__init__(*arguments, **options)  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its dialects untyped
        self.begin: Begin | None = None
        self.mark = ""
        self.overheard: Overhear | None = None

    async def _prepare(self, operation: str, invalidate_timestamp: float) -> Any:  # noqa: ANN401 - SQLAlchemy's signature
        await self.tell(operation)
        # What was prepared for tables of another revision isn't found under this text.
        text = operation + self.mark if self.mark else operation
        return await super()._prepare(text, invalidate_timestamp)  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its dialects untyped

    async def tell(self, operation: str) -> None:
        """Tell of a statement that is about to run, and not run it when that fails."""
        if self.overheard is not None:
            await self.overheard(operation)

    async def _start_transaction(self) -> None:
        # Without a lease only attach() speaks here, inside of the lease's own transaction.
        begun = await self.begin() if self.begin is not None else _Attaching()
        self._transaction = cast("_AsyncpgTransaction", begun)

    def set_isolation_level(self, level: str) -> None:
        """Refuse: SQLAlchemy would take back what the lease has done, and keep it for the next."""
        raise NotImplementedError(
            f"the lease decides about the isolation level: ask for {level} where it is opened"
        )


class StoredFormPreparer(PGIdentifierPreparer_asyncpg):
    """Names the schema of each table: the tenant's own, or the one of the reference tables."""

    def _with_schema_translate(self, schema_translate_map: Any) -> StoredFormPreparer:  # noqa: ANN401 - SQLAlchemy's signature
        prepared: StoredFormPreparer = super()._with_schema_translate(schema_translate_map)  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its preparers untyped
        of_tenant = prepared.schema_for_object

        def schema_of(item: Any) -> str:  # noqa: ANN401 - tables, sequences, types
            is_reference = isinstance(item, Table) and item.info.get("reference")
            return REFERENCE_SCHEMA if is_reference else of_tenant(item)

        prepared.schema_for_object = schema_of
        return prepared


class GateDialect(PGDialect_asyncpg):
    """asyncpg's dialect over connections that the router's pools opened."""

    statement_compiler = StoredFormCompiler
    preparer = StoredFormPreparer
    supports_statement_cache = True

    def _set_backslash_escapes(self, connection: object) -> None:
        """Believe in standard strings: the first to be asked may be a tenant that has switched
        them off for its transaction, and the answer would hold for every tenant of the pool.
        """


def dialect() -> GateDialect:
    """Make a dialect to compile with, parameters numbered as PostgreSQL numbers them."""
    return GateDialect(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]  # SQLAlchemy leaves its dialects untyped


registry.register("postgresql.stepwell", __name__, "GateDialect")


class AlchemySide:
    """Gives each link of a pool its SQLAlchemy connection, once in the link's life."""

    def __init__(self, *, statements_max: int) -> None:
        self._statements_max = statements_max
        self._attaching = asyncio.Lock()
        self._raw: Connection | None = None
        self._engine = create_async_engine(
            "postgresql+stepwell://", poolclass=NullPool, creator=self._adapt
        )

    async def attach(self, link: Link) -> AsyncConnection:
        """Return the link's SQLAlchemy connection; make it when the link has none yet."""
        if link.alchemy is None or link.alchemy.closed or link.alchemy.invalidated:
            async with self._attaching:
                self._raw = link.raw
                link.alchemy = await self._engine.connect()
        return link.alchemy

    def _adapt(self) -> _GateConnection:
        assert self._raw is not None, "only attach() opens connections"
        return _GateConnection(
            self._engine.sync_engine.dialect.dbapi,
            self._raw,
            prepared_statement_cache_size=self._statements_max,
            prepared_statement_name_func=None if self._statements_max else _no_name,
        )


def begin_with(connection: AsyncConnection, begin: Begin | None, *, mark: str = "") -> None:
    """Say what begins the connection's next transaction, and what its statements end in."""
    adapter = _adapter(connection)
    adapter.begin, adapter.mark = begin, mark


def overhear(connection: AsyncConnection, told: Overhear | None) -> None:
    """Say who is told of each statement of the connection, None for nobody."""
    _adapter(connection).overheard = told


def adopt_transaction(connection: AsyncConnection, transaction: Transaction | None) -> None:
    """Tell SQLAlchemy that the server is inside of a transaction already, or in none."""
    _adapter(connection)._transaction = cast("_AsyncpgTransaction | None", transaction)  # noqa: SLF001 - the adapter is our subclass


def _adapter(connection: AsyncConnection) -> _GateConnection:
    adapter = connection.sync_connection.connection.dbapi_connection  # type: ignore[union-attr]  # an attached connection has both
    assert isinstance(adapter, _GateConnection)
    return adapter


def _no_name() -> str:
    """Give no statement a name: behind a pooler, a named one would stay on whichever server had
    the transaction, out of reach and never freed.
    """
    return ""
