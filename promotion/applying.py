"""How a target becomes what the source was at a snapshot, spelled as one message.

The target may have unique rules and foreign keys with actions by now, and their effects would not
be the source's. So: first the rows go whose unique values are needed and whose end touches no other
row; then what is there is written, parents before children; then the rest of what is gone goes, to
which nothing refers any more. At the end the database itself compares the rows with the source's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import msgspec

from promotion.reading import Keys, Reading, TableRows, matching, typed_keys
from promotion.shape import Reference, TableShape
from router.errors import PlatformError
from router.names import quote
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from router.connect import Connection

_SQL = load("promotion", "applying.sql")
_NO_ACTION = "NO ACTION"
_DIFFERS = "stepwell: rows of "


class RowsDiffer(PlatformError):
    """What was written at the target isn't what the source has."""

    code = "rows_differ"
    title = "Rows differ between source and target"


class Writing(msgspec.Struct, frozen=True, kw_only=True):
    """How rows are written: the target's side, with the shape and the uniques of both.

    ``is_bare`` says that the tables have their primary keys and no other rule yet.
    """

    at: Reading
    is_bare: bool = False

    @property
    def tables(self) -> tuple[TableShape, ...]:
        """The tables, parents before children."""
        return self.at.shape.tables

    @property
    def tenant(self) -> str:
        """The tenant as a literal."""
        return f"{literal(str(self.at.side.tenant_id))}::uuid"


def spell(
    writing: Writing, keys: Mapping[str, Sequence[str]], found: Mapping[str, TableRows]
) -> str:
    """Spell everything that a round does at the target; needs an open transaction there.

    Sent as one simple query. An error of class 23 means that rules of the target stand in the way
    of this order: roll back, and let changes.carry() find another one.
    """
    parts = [
        _SQL["preface"],
        *first_deletes(writing, found),
        *(
            upsert(writing, table, found[table.name].rows)
            for table in writing.tables
            if table.name in found and found[table.name].rows
        ),
        *last_deletes(writing, {name: rows.gone for name, rows in found.items()}),
        *checks(writing, keys, found),
        _SQL["finish"],
    ]
    return ";\n".join(parts)


async def apply(connection: Connection, text: str) -> None:
    """Run what was spelled; raises RowsDiffer with the table where the rows didn't come out."""
    if not text:
        return  # asyncpg can't send nothing
    try:
        await connection.execute(text)
    except asyncpg.InvalidTextRepresentationError as error:
        _, found, rest = str(error).partition(_DIFFERS)
        if not found:
            raise
        told = rest.rstrip('"')
        raise RowsDiffer(
            f"rows differ in {told} at the target: a rule there changed them"
        ) from error


def first_deletes(writing: Writing, found: Mapping[str, TableRows]) -> Iterator[str]:
    """Spell the deletes that make room: children before parents, nothing that is referred to."""
    if writing.is_bare:
        return
    for table in reversed(writing.tables):
        rows = found.get(table.name)
        if rows is None:
            continue
        if rows.gone:
            yield _delete(
                writing, table, _found(writing, table, rows.gone), _unreferred(writing, table)
            )
        if rows.altered:
            yield _delete(
                writing, table, _altered(writing, table, rows.altered), _unreferred(writing, table)
            )


def upsert(writing: Writing, table: TableShape, rows: Sequence[str]) -> str:
    """Spell the rows as they are to be."""
    return _SQL["upsert"].format(
        place=writing.at.side.place(table.name),
        names=table.names,
        rows=",\n".join(rows),
        key=table.key_names,
        update=_update(table),
    )


def last_deletes(writing: Writing, gone: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Spell the deletes of what the first ones had to leave."""
    left = {
        table.name: gone[table.name]
        for table in writing.tables
        if gone.get(table.name) and goes_last(writing, table)
    }
    if left:
        yield delete_together(writing, left)


def goes_last(writing: Writing, table: TableShape) -> bool:
    """Whether rows of a table may be left to the last deletes."""
    return writing.is_bare or bool(_acting(writing, table))


def delete_together(writing: Writing, keys: Mapping[str, Sequence[str]]) -> str:
    """Spell one statement that deletes rows of many tables."""
    deletes = [
        _delete(writing, table, _found(writing, table, keys[table.name]))
        for table in writing.tables
        if keys.get(table.name)
    ]
    return _SQL["delete_together"].format(
        deletes=",\n".join(f"d{at} AS ({delete})" for at, delete in enumerate(deletes))
    )


def checks(
    writing: Writing, keys: Mapping[str, Sequence[str]], found: Mapping[str, TableRows]
) -> Iterator[str]:
    """Spell the comparison of these keys' rows with what the source had."""
    for table in writing.tables:
        if keys.get(table.name):
            yield check(writing, table, keys[table.name], found[table.name])


def check(writing: Writing, table: TableShape, keys: Sequence[str], found: TableRows) -> str:
    """Spell the comparison of one table's keys."""
    return _SQL["check"].format(
        count=found.count,
        digest=found.digest,
        names=", ".join(f"t.{quote(each.name)}" for each in table.written),
        message=literal(f"{_DIFFERS}{table.name}: {found.count} rows at the source, "),
        found=_found(writing, table, keys),
    )


def preface() -> str:
    """Spell what must be said before anything is written."""
    return _SQL["preface"]


def finish() -> str:
    """Spell what must be said at the end; foreign keys that don't hold are told here."""
    return _SQL["finish"]


async def keys_there(
    connection: Connection, writing: Writing, table: TableShape, keys: Sequence[str]
) -> list[str]:
    """Name those of one table's keys that the target has a row for."""
    statement = _SQL["keys_found"].format(
        key=_key_of("t", table), found=_found(writing, table, keys)
    )
    return [record["key"] for record in await connection.fetch(statement)]


async def altered_keys(
    connection: Connection, writing: Writing, table: TableShape, altered: Sequence[str]
) -> list[str]:
    """Name the rows of one table whose unique values are about to change."""
    statement = _SQL["keys_found"].format(
        key=_key_of("t", table), found=_altered(writing, table, altered)
    )
    return [record["key"] for record in await connection.fetch(statement)]


async def closure(
    connection: Connection, writing: Writing, seeds: Mapping[str, Sequence[str]], *, keys_max: int
) -> Keys:
    """Name all rows that vanish or change when the seeds are deleted, the seeds included."""
    known: dict[str, set[str]] = {name: set(keys) for name, keys in seeds.items() if keys}
    waiting: dict[str, set[str]] = {name: set(keys) for name, keys in known.items()}
    while waiting:
        name, keys = waiting.popitem()
        table = writing.at.shape.table(name)
        for child, reference in _acting(writing, table):
            fresh = await _referring(connection, writing, (table, child, reference), keys)
            fresh -= known.get(child.name, set())
            if fresh:
                known.setdefault(child.name, set()).update(fresh)
                waiting.setdefault(child.name, set()).update(fresh)
        if sum(map(len, known.values())) > keys_max:
            raise RowsDiffer(
                f"more than {keys_max} rows of tenant {writing.at.side.tenant_id} hang together by "
                "foreign keys that act and unique values that changed places; try again when less "
                "of this happens, or make the unique rules DEFERRABLE"
            )
    return {
        table.name: sorted(known[table.name]) for table in writing.tables if table.name in known
    }


async def _referring(
    connection: Connection,
    writing: Writing,
    link: tuple[TableShape, TableShape, Reference],
    keys: set[str],
) -> set[str]:
    table, child, reference = link
    statement = _SQL["referring_keys"].format(
        key=_key_of("c", child),
        found=_found(writing, table, sorted(keys)),
        child=writing.at.side.place(child.name),
        refers=_refers(reference),
    )
    return {record["key"] for record in await connection.fetch(statement)}


def differing(writing: Writing, table: TableShape) -> str:
    """Spell that a row's unique values aren't those that it is to have."""
    return " OR ".join(
        f"t.{quote(name)}::text IS DISTINCT FROM g.altered ->> {at}"
        for at, name in enumerate(writing.at.uniques[table.name])
    )


def document(parts: Sequence[str]) -> str:
    """Spell a JSON document of these parts as a literal."""
    return f"{literal('[' + ','.join(parts) + ']')}::jsonb"


def literal(text: str) -> str:
    """Quote a text as SQL does under standard_conforming_strings, which the mover switches on."""
    return "'" + text.replace("'", "''") + "'"


def _found(writing: Writing, table: TableShape, keys: Sequence[str]) -> str:
    """Spell the target's rows t of these keys."""
    return _SQL["found"].format(
        given=typed_keys(table, document(keys)),
        place=writing.at.side.place(table.name),
        tenant=writing.tenant,
        match=matching(table),
        unless="",
    )


def _altered(writing: Writing, table: TableShape, altered: Sequence[str]) -> str:
    """Spell the target's rows t whose unique values are about to change."""
    columns = list(enumerate(table.key_columns))
    given = _SQL["given_altered"].format(
        altered=document(altered),
        fields=", ".join(f"'k{at}', e.key -> {at}" for at, _ in columns),
        definition=", ".join(f"k{at} {column.type_sql}" for at, column in columns),
    )
    return _SQL["found"].format(
        given=given,
        place=writing.at.side.place(table.name),
        tenant=writing.tenant,
        match=matching(table),
        unless=f" AND ({differing(writing, table)})",
    )


def _delete(writing: Writing, table: TableShape, found: str, unless: str = "") -> str:
    return _SQL["delete"].format(
        place=writing.at.side.place(table.name),
        tenant=writing.tenant,
        found=found,
        unless=f" WHERE {unless}" if unless else "",
    )


def _unreferred(writing: Writing, table: TableShape) -> str:
    return " AND ".join(
        _SQL["unless_referred"].format(
            child=writing.at.side.place(child.name),
            refers=_refers(reference),
            other=_other(table) if child.name == table.name else "",
        )
        for child, reference in _acting(writing, table)
    )


def _acting(writing: Writing, table: TableShape) -> list[tuple[TableShape, Reference]]:
    """List who refers to a table by a foreign key that doesn't just wait for the end."""
    return [
        (child, reference)
        for child in writing.tables
        for reference in child.references
        if reference.table == table.name and reference.on_delete != _NO_ACTION
    ]


def _refers(reference: Reference) -> str:
    return " AND ".join(
        f"c.{quote(here)} = t.{quote(there)}"
        for here, there in zip(reference.columns, reference.to_columns, strict=True)
    )


def _other(table: TableShape) -> str:
    """Spell that a row refers to another one than itself."""
    own = " AND ".join(f"c.{quote(name)} = t.{quote(name)}" for name in table.key)
    return f" AND NOT ({own})"


def _key_of(alias: str, table: TableShape) -> str:
    return ", ".join(f"{alias}.{quote(name)}" for name in table.key)


def _update(table: TableShape) -> str:
    # The key's columns too: 1.0 and 1.00 are one key, and two texts.
    names = [each.name for each in table.written if not each.is_identity]
    if not names:
        return "NOTHING"
    sets = ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in names)
    if {*names} - {*table.key}:
        return f"UPDATE SET {sets}"
    here, there = (
        ", ".join(f"{where}.{quote(name)}" for name in names) for where in ("t", "excluded")
    )
    return f"UPDATE SET {sets} WHERE ROW({here})::text <> ROW({there})::text"
