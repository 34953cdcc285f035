"""A column's value as the text of a CSV field, and back."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Column, DateTime, Integer, Numeric, String

from examples.store.columns import INTEGER_MAX, INTEGER_MIN
from examples.store.csv_records import Record
from examples.store.models import Base, table_of

SHOWN_CHARS_MAX: Final = 60
WHOLE: Final = re.compile(r"-?[0-9]{1,10}")
MONEY: Final = re.compile(r"-?[0-9]{1,8}(\.[0-9]{1,2})?")

Value = int | Decimal | datetime | str | None
Parser = Callable[[str], Value]


class BadRow(Exception):
    """A line of a file can't become a row; the message names the line, the column, the value."""


class Row(Struct, frozen=True, kw_only=True):
    """What one line says, ready for the database."""

    line: int
    values: dict[str, Value]


class Header(Struct, frozen=True, kw_only=True):
    """The columns of a file, in the order of the file."""

    columns: list[Column[Any]]
    parsers: list[Parser]


def header_of(table: type[Base], record: Record) -> Header:
    """Every column once, in any order."""
    columns = {column.name: column for column in table_of(table).columns}
    named = [name or "" for name in record.fields]
    if sorted(named) != sorted(columns):
        message = f"line 1: the columns of {table.__tablename__} are {','.join(columns)}, not "
        raise BadRow(message + shortened(",".join(named)))
    ordered = [columns[name] for name in named]
    return Header(columns=ordered, parsers=[parser_of(column) for column in ordered])


def row_of(header: Header, record: Record) -> Row:
    """Read one line; the first field that can't be stored is named."""
    if len(record.fields) != len(header.columns):
        counts = f"{len(record.fields)} fields instead of {len(header.columns)}"
        raise BadRow(f"line {record.line}: {counts}")
    values: dict[str, Value] = {}
    for column, parse, field in zip(header.columns, header.parsers, record.fields, strict=True):
        try:
            values[column.name] = value_of(column, parse, field)
        except ValueError as error:
            shown = "empty" if field is None else f"'{shortened(field)}'"
            message = f"line {record.line}: {column.name} is {shown}, but must {error}"
            raise BadRow(message) from error
    return Row(line=record.line, values=values)


def value_of(column: Column[Any], parse: Parser, field: str | None) -> Value:
    if field is not None:
        return parse(field)
    if column.nullable:
        return None
    raise ValueError("have a value")


def parser_of(column: Column[Any]) -> Parser:
    """Choose by the column's type; a type that no table has yet is an error of ours."""
    match column.type:
        case Integer():
            return parse_whole
        case Numeric():
            return parse_money
        case DateTime():
            return parse_moment
        case String(length=int(length)):
            return lambda text: parse_text(text, length)
        case _:
            raise AssertionError(f"{column} has a type that no CSV field can hold")


def parse_whole(text: str) -> int:
    if WHOLE.fullmatch(text) and INTEGER_MIN <= int(text) <= INTEGER_MAX:
        return int(text)
    raise ValueError(f"be a whole number from {INTEGER_MIN} to {INTEGER_MAX}")


def parse_money(text: str) -> Decimal:
    if MONEY.fullmatch(text):
        return Decimal(text)
    raise ValueError("be a number with at most 8 digits before the point and 2 after it")


def parse_moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is not None:
        raise ValueError("be a time without a zone, like 2021-01-31 23:59:59")
    return moment


def parse_text(text: str, length: int) -> str:
    if len(text) > length:
        raise ValueError(f"have at most {length} characters")
    if "\x00" in text:
        raise ValueError("have no NUL character")
    return text


def text_of(value: Value) -> str | None:
    """Python's own spelling is Chinook's: 0.99, 2021-01-01 00:00:00, and nothing for null."""
    return None if value is None else str(value)


def shortened(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS_MAX else text[:SHOWN_CHARS_MAX] + "…"
