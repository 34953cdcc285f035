"""A CSV file into a table: streamed, checked line by line, all of it or nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request, post
from litestar.openapi.spec import OpenAPIMediaType, OpenAPIType, Operation, RequestBody, Schema
from sqlalchemy import Table, UniqueConstraint, exists, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.elements import NamedColumn

from examples.store.asked import Db
from examples.store.csv_export import TableName, table_named
from examples.store.csv_records import BadCsv, records
from examples.store.csv_values import BadRow, Row, Value, header_of, row_of, shortened
from examples.store.models import Base, table_of
from examples.store.problems import CONFLICT, NOT_FOUND, UNPROCESSABLE, Conflict, Unprocessable
from examples.store.shapes import Loaded
from router.product import continue_identity

FILE_BYTES_MAX: Final = 256 * 1024 * 1024
ROWS_AT_ONCE: Final = 1_000


@dataclass
class TakesCsv(Operation):
    """Documents the body, which the handler reads by itself."""

    def __post_init__(self) -> None:
        text = OpenAPIMediaType(schema=Schema(type=OpenAPIType.STRING))
        self.request_body = RequestBody(
            content={"text/csv": text},
            required=True,
            description="A header with the names of all columns, then the rows; UTF-8.",
        )


@post(
    "/import/{table_name:str}",
    summary="Load a CSV file into a table",
    description="Numbers are kept. A bad row names its line, and nothing is loaded.",
    tags=["files"],
    operation_class=TakesCsv,
    request_max_body_size=FILE_BYTES_MAX,
    responses={404: NOT_FOUND, 409: CONFLICT, 422: UNPROCESSABLE},
)
async def import_table(
    session: Db, request: Request[Any, Any, Any], table_name: TableName
) -> Loaded:
    table = table_named(table_name)
    try:
        rows = await load(session, table, request.stream())
    except TakenRow as error:
        raise Conflict(f"{error}. Nothing was loaded.") from error
    except (BadCsv, BadRow) as error:
        raise Unprocessable(f"{error}. Nothing was loaded.") from error
    return Loaded(rows=rows)


async def load(session: AsyncSession, table: type[Base], chunks: AsyncIterator[bytes]) -> int:
    """Store what the chunks hold, some rows at a time, and count them."""
    lines = records(chunks)
    first = await anext(lines, None)
    if first is None:
        raise BadRow("line 1: the file is empty; it must begin with the names of the columns")
    header = header_of(table, first)
    loading = Loading(session, table)
    async for record in lines:
        await loading.take(row_of(header, record))
    return await loading.finish()


class TakenRow(BadRow):
    """A line repeats what only one row may have."""


class Loading:
    """One file on its way into one table."""

    def __init__(self, session: AsyncSession, table: type[Base]) -> None:
        self._session = session
        self._table = table
        self._waiting: list[Row] = []
        self._rows = 0
        self._own_links = own_links(table_of(table))
        self._seen: set[Value] = set()
        self._links_later: list[Row] = []

    async def take(self, row: Row) -> None:
        """Keep the row until there are enough for one trip to the database."""
        self._postpone_links(row)
        self._waiting.append(row)
        self._rows += 1
        if len(self._waiting) == ROWS_AT_ONCE:
            await self._send()

    async def finish(self) -> int:
        """Store the rest, and let the next new row get a number above those of the file."""
        await self._send()
        await self._store(
            update(self._table).execution_options(synchronize_session=None), self._links_later
        )
        await continue_identity(self._session, self._table)
        return self._rows

    async def _send(self) -> None:
        await self._store(insert(self._table), self._waiting)
        self._waiting.clear()

    async def _store(self, statement: UpdateBase, rows: Sequence[Row]) -> None:
        """Send all at once; only when that is refused, one by one, to find the line at fault."""
        if not rows:
            return
        try:
            async with self._session.begin_nested():
                await self._session.execute(statement, [row.values for row in rows])
        except IntegrityError:
            for row in rows:
                await self._store_one(statement, row)

    async def _store_one(self, statement: UpdateBase, row: Row) -> None:
        try:
            async with self._session.begin_nested():
                await self._session.execute(statement, [row.values])
        except IntegrityError as error:
            raise await self._fault(row) from error

    def _postpone_links(self, row: Row) -> None:
        """A row may refer to a later one of its own table: that link is set at the end."""
        if not self._own_links:
            return
        (key,) = table_of(self._table).primary_key
        self._seen.add(row.values[key.name])
        early = {
            name: row.values[name]
            for name in self._own_links
            if row.values[name] is not None and row.values[name] not in self._seen
        }
        if early:
            self._links_later.append(
                Row(line=row.line, values={key.name: row.values[key.name], **early})
            )
            row.values.update(dict.fromkeys(early))

    async def _fault(self, row: Row) -> BadRow:
        """Ask which rule the row breaks: the driver's message speaks of the database, not of the
        file.
        """
        for rule in table_of(self._table).foreign_key_constraints:
            (link,) = rule.elements
            value = row.values.get(link.parent.name)
            if value is not None and not await self._holds([link.column], [value]):
                missing = f"{link.column.table.name} {value}"
                return BadRow(
                    f"line {row.line}: {link.parent.name} names {missing}, which is not there"
                )
        for columns in unique_columns(table_of(self._table)):
            values = [row.values.get(column.name) for column in columns]
            if await self._holds(columns, values):
                names = ", ".join(column.name for column in columns)
                shown = shortened(", ".join(map(str, values)))
                return TakenRow(f"line {row.line}: {names} {shown} is there already")
        return BadRow(f"line {row.line}: the row breaks a rule of {self._table.__tablename__}")

    async def _holds(self, columns: Sequence[NamedColumn[Any]], values: Sequence[Value]) -> bool:
        wanted = [column == value for column, value in zip(columns, values, strict=True)]
        return bool(await self._session.scalar(select(exists().where(*wanted))))


def own_links(table: Table) -> list[str]:
    """The columns that refer to the table they stand in."""
    return [link.parent.name for link in table.foreign_keys if link.references(table)]


def unique_columns(table: Table) -> list[Sequence[NamedColumn[Any]]]:
    """Each set of columns that no two rows may share."""
    rules = [rule for rule in table.constraints if isinstance(rule, UniqueConstraint)]
    return [list(table.primary_key), *(list(rule.columns) for rule in rules)]
