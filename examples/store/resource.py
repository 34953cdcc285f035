"""The five routes that every table of the shop has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Final, Generic, TypeVar, cast, get_args

from litestar import Controller, delete, get, patch, post
from litestar.exceptions import NotFoundException
from litestar.params import JSONBody
from msgspec import Struct, convert, to_builtins
from sqlalchemy import Column, insert, select
from sqlalchemy import delete as delete_from
from sqlalchemy import update as update_of
from sqlalchemy.ext.asyncio import AsyncSession

from examples.store.asked import LIMIT_DEFAULT, After, Db, Limit, RowKey
from examples.store.columns import INTEGER_MAX, INTEGER_MIN
from examples.store.listing import Where, page
from examples.store.models import Base, table_of
from examples.store.problems import CONFLICT, NOT_FOUND, UNPROCESSABLE
from examples.store.shapes import Page

Row = TypeVar("Row", bound=Struct)
New = TypeVar("New", bound=Struct)
Change = TypeVar("Change", bound=Struct)

KEPT_TYPES: Final = (datetime, Decimal)


class Resource(Controller, Generic[Row, New, Change]):
    """A table on the wire: a subclass says which, and in which shapes."""

    table: ClassVar[type[Base]]
    row_shape: type[Row]

    def __init_subclass__(cls) -> None:
        """Litestar looks up the annotations `Row`, `New` and `Change` in the namespace."""
        row, new, change = get_args(vars(cls)["__orig_bases__"][0])
        cls.row_shape = row
        cls.signature_namespace = {"Row": row, "New": new, "Change": change}

    @get(summary="A page of rows", description="In key order.")
    async def list_rows(
        self,
        session: Db,
        limit: Limit = LIMIT_DEFAULT,
        after: After = None,
    ) -> Page[Row]:
        return await page(
            session,
            select(*table_of(self.table).columns),
            key=key_column(self.table),
            shape=self.row_shape,
            where=Where(limit=limit, after=after),
        )

    @get("/{key:int}", summary="One row", responses={404: NOT_FOUND})
    async def read_row(self, session: Db, key: RowKey) -> Row:
        return await self.row_of(session, key)

    @post(summary="A new row", responses={409: CONFLICT, 422: UNPROCESSABLE})
    async def add_row(self, session: Db, data: JSONBody[New]) -> Row:
        statement = insert(self.table).returning(*table_of(self.table).columns)
        rows = await session.execute(statement, values_of(data))
        return convert(rows.one(), self.row_shape, from_attributes=True)

    @patch(
        "/{key:int}",
        summary="Change some columns",
        description="Columns that are left out keep their values; null empties one.",
        responses={404: NOT_FOUND, 409: CONFLICT, 422: UNPROCESSABLE},
    )
    async def change_row(self, session: Db, key: RowKey, data: JSONBody[Change]) -> Row:
        values = values_of(data)
        if not values:
            return await self.row_of(session, key)
        rows = await session.execute(
            update_of(self.table)
            .where(key_column(self.table) == storable(self.table, key))
            .values(values)
            .returning(*table_of(self.table).columns)
        )
        return self.shown(rows.one_or_none(), key)

    @delete("/{key:int}", summary="Remove the row", responses={404: NOT_FOUND, 409: CONFLICT})
    async def remove_row(self, session: Db, key: RowKey) -> None:
        column = key_column(self.table)
        rows = await session.execute(
            delete_from(self.table).where(column == storable(self.table, key)).returning(column)
        )
        if rows.one_or_none() is None:
            raise no_row(self.table, key)

    async def row_of(self, session: AsyncSession, key: int) -> Row:
        wanted = key_column(self.table) == storable(self.table, key)
        rows = await session.execute(select(*table_of(self.table).columns).where(wanted))
        return self.shown(rows.one_or_none(), key)

    def shown(self, row: object, key: int) -> Row:
        """A missing row is a 404, whoever looked for it."""
        if row is None:
            raise no_row(self.table, key)
        return convert(row, self.row_shape, from_attributes=True)


def key_column(table: type[Base]) -> Column[int]:
    """The one column that numbers the rows."""
    (column,) = table_of(table).primary_key
    return cast("Column[int]", column)


def storable(table: type[Base], key: int) -> int:
    """No row has a number that its column can't hold: the database need not be asked."""
    if INTEGER_MIN <= key <= INTEGER_MAX:
        return key
    raise no_row(table, key)


def no_row(table: type[Base], key: int) -> NotFoundException:
    return NotFoundException(f"There is no {table.__tablename__} {key}.")


def values_of(data: Struct) -> Mapping[str, object]:
    """The columns that were sent, in the types that the database takes; left out is not null."""
    return cast("Mapping[str, object]", to_builtins(data, builtin_types=KEPT_TYPES))
