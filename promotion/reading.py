"""What changed at the source since a snapshot, and what those rows are now.

The log tells keys and never values, so a row is read as it is at the round's own snapshot: a key
that changed a thousand times is one row. Rows come as the text of SQL, spelled by the server.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from promotion.shape import Shape, ShapeDiffers, TableShape
from promotion.side import Side
from router.errors import PlatformError
from router.names import quote
from router.sql import load
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from router.connect import Connection

_SQL = load("promotion", "reading.sql")
_PREFETCH_ROWS = 50
#: Keys of one table, each the text of a JSON array of the primary key's values without the tenant.
Keys: TypeAlias = dict[str, list[str]]
#: By table, the columns whose values a row of another key may hold as well as not.
Uniques: TypeAlias = dict[str, tuple[str, ...]]


class TooManyChanges(PlatformError):
    """More changed than one round may carry."""

    code = "too_many_changes"
    title = "The tenant changes faster than it can be followed"


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """The keys that changed up to a snapshot; the next round begins there."""

    snapshot: str
    keys: Keys

    @property
    def count(self) -> int:
        """How many keys changed."""
        return sum(map(len, self.keys.values()))


class TableRows(msgspec.Struct, kw_only=True):
    """What one table's keys are now.

    ``rows`` are tuples of literals as INSERT takes them; ``gone`` the keys without a row;
    ``altered`` are JSON arrays of a row's key and the texts of what must be unique in it.
    """

    rows: list[str]
    gone: list[str]
    altered: list[str]
    count: int = 0
    digest: int = 0


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How rows are read: of which tables, with what in them."""

    side: Side
    shape: Shape
    uniques: Uniques


async def snapshot(connection: Connection) -> str:
    """Return what the transaction sees; under REPEATABLE READ, from its beginning to its end."""
    return str(await connection.fetchval(_SQL["snapshot"]))


async def read_uniques(connection: Connection, side: Side, shape: Shape) -> Uniques:
    """Ask what must be unique besides the keys; equal at both sides, and asked once in a move."""
    found = {
        row["table_name"]: set(row["columns"])
        for row in await connection.fetch(_SQL["uniques"], side.schema)
    }
    uniques: Uniques = {}
    for table in shape.tables:
        # An identity can't be updated to a value: a row with another one is made anew.
        fixed = {each.name for each in table.written if each.is_identity} - {*table.key}
        columns = found.get(table.name, set[str]()) | fixed
        if columns:
            uniques[table.name] = tuple(sorted(columns))
    return uniques


async def read_changes(
    connection: Connection, side: Side, shape: Shape, *, since: str | None, keys_max: int
) -> Changes:
    """Name the keys that changed and aren't visible in ``since``; all that were logged for None."""
    records = await connection.fetch(_SQL["changes"], side.tenant_id, since, keys_max + 1)
    if len(records) - 1 > keys_max:
        raise TooManyChanges(
            f"more than {keys_max} rows of tenant {side.tenant_id} changed since the last round; "
            "slow the tenant down, or begin again when it is quieter"
        )
    keys: Keys = defaultdict(list)
    for table, key in records[1:]:
        keys[table].append(key)
    assert_known(shape, keys)
    ordered = {table.name: keys[table.name] for table in shape.tables if table.name in keys}
    return Changes(snapshot=records[0]["table_name"], keys=ordered)


def assert_known(shape: Shape, tables: Iterable[str]) -> None:
    """Refuse changes of tables that the product doesn't have; raises ShapeDiffers."""
    unknown = {*tables} - {table.name for table in shape.tables}
    if unknown:
        raise ShapeDiffers(
            f"changes of {', '.join(sorted(unknown))} were written down, which the product doesn't "
            "have: bring the schema and this process to the same revision"
        )


async def read_rows(
    connection: Connection, reading: Reading, keys: Mapping[str, Sequence[str]]
) -> dict[str, TableRows]:
    """Read all of the keys' rows in one statement: for as many as fit into memory."""
    names = [name for name in keys if keys[name]]
    found = {name: TableRows(rows=[], gone=[], altered=[]) for name in names}
    if not names:
        return found
    records = await connection.fetch(
        _statement(reading, names, with_values=True),
        reading.side.tenant_id,
        *[_document(keys[name]) for name in names],
    )
    for number, row, altered, digest, gone in records:
        _put(found[names[number]], row, altered, digest, gone)
    return found


async def read_outline(
    connection: Connection, reading: Reading, table: str, keys: Sequence[str]
) -> TableRows:
    """Read everything about one table's keys but the rows themselves."""
    found = TableRows(rows=[], gone=[], altered=[])
    records = await connection.fetch(
        _statement(reading, [table], with_values=False), reading.side.tenant_id, _document(keys)
    )
    for _, row, altered, digest, gone in records:
        _put(found, row, altered, digest, gone)
    return found


async def stream_rows(
    connection: Connection, reading: Reading, table: str, keys: Sequence[str]
) -> AsyncIterator[str]:
    """Yield the rows of one table's keys, a few in memory at a time, however large they are."""
    async for record in connection.cursor(
        _statement(reading, [table], with_values=True),
        reading.side.tenant_id,
        _document(keys),
        prefetch=_PREFETCH_ROWS,
    ):
        if record["row"] is not None:
            yield record["row"]


async def read_counters(connection: Connection, side: Side) -> dict[str, int]:
    """Return the highest id that each table's identity gave the tenant, whatever became of it."""
    if side.placement.tier is Tier.ROWS:
        records = await connection.fetch(_SQL["counters"], side.tenant_id)
    else:
        records = await connection.fetch(_SQL["sequences"], side.schema)
    return {row["table_name"]: row["value"] for row in records if row["value"] is not None}


def typed_keys(table: TableShape, keys_sql: str) -> str:
    """Spell the query that makes typed columns k0, k1 … of an SQL expression of JSON keys."""
    types = [column.type_sql for column in table.key_columns]
    return _SQL["given"].format(
        columns=", ".join(f"k.k{at}" for at in range(len(types))),
        fields=", ".join(f"'k{at}', e.key -> {at}" for at in range(len(types))),
        definition=", ".join(f"k{at} {type_sql}" for at, type_sql in enumerate(types)),
        keys=keys_sql,
    )


def matching(table: TableShape) -> str:
    """Spell that row t has the key g."""
    return " AND ".join(f"t.{quote(name)} = g.k{at}" for at, name in enumerate(table.key))


def _statement(reading: Reading, names: Sequence[str], *, with_values: bool) -> str:
    tables = [reading.shape.table(name) for name in names]
    return "\nUNION ALL\n".join(
        _SQL["rows"].format(
            number=number,
            given=typed_keys(table, f"${number + 2}::text::jsonb"),
            row=_row(reading.side, table) if with_values else "NULL",
            altered=_altered(reading.uniques.get(table.name, ())),
            names=table.names,
            place=reading.side.place(table.name),
            match=matching(table),
        )
        for number, table in enumerate(tables)
    )


def _row(side: Side, table: TableShape) -> str:
    # An array and not concat(): a function takes a hundred arguments at most.
    literals = ", ".join(f"quote_nullable(t.{quote(each.name)}::text)" for each in table.written)
    return f"'(''{side.tenant_id}'', ' || array_to_string(ARRAY[{literals}], ', ') || ')'"


def _altered(columns: Sequence[str]) -> str:
    if not columns:
        return "NULL"
    texts = ", ".join(f"t.{quote(name)}::text" for name in columns)
    return f"jsonb_build_array(g.key::jsonb, to_jsonb(ARRAY[{texts}]))::text"


def _document(keys: Sequence[str]) -> str:
    return f"[{','.join(keys)}]"


def _put(
    found: TableRows, row: str | None, altered: str | None, digest: int | None, gone: str | None
) -> None:
    if gone is not None:
        found.gone.append(gone)
        return
    found.count += 1
    found.digest += digest or 0
    if row is not None:
        found.rows.append(row)
    if altered is not None:
        found.altered.append(altered)
