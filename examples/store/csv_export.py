"""A table as a CSV file: streamed, ordered by key, byte for byte what an import brought."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from litestar import get
from litestar.exceptions import NotFoundException
from litestar.params import PathParameter
from litestar.response import Stream
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncResult

from examples.store.asked import Db
from examples.store.csv_records import record_text
from examples.store.csv_values import shortened, text_of
from examples.store.models import TABLES, Base, table_of
from examples.store.problems import NOT_FOUND

ROWS_AT_ONCE: Final = 1_000

# The document lists the names; an unknown one is a 404 like any other path that leads nowhere.
TableName = Annotated[str, PathParameter(schema_extra={"enum": list(TABLES)})]


@get(
    "/export/{table_name:str}",
    summary="A table as a CSV file",
    tags=["files"],
    media_type="text/csv",
    responses={404: NOT_FOUND},
)
async def export_table(session: Db, table_name: TableName) -> Stream:
    table = table_named(table_name)
    rows = await session.stream(
        select(*table_of(table).columns)
        .order_by(*table_of(table).primary_key)
        .execution_options(yield_per=ROWS_AT_ONCE)
    )
    disposition = f'attachment; filename="{table_name}.csv"'
    return Stream(csv_text(table, rows), headers={"Content-Disposition": disposition})


async def csv_text(table: type[Base], rows: AsyncResult[Any]) -> AsyncIterator[str]:
    yield record_text(column.name for column in table_of(table).columns)
    async for some in rows.partitions():
        yield "".join(record_text(map(text_of, row)) for row in some)


def table_named(name: str) -> type[Base]:
    if name in TABLES:
        return TABLES[name]
    message = f"There is no table {shortened(name)}; the tables are {', '.join(TABLES)}."
    raise NotFoundException(message)
