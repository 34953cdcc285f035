"""Reference tables: what all tenants read and none writes, kept once and copied to every database.

The catalog's database has the only copy that is written; each table there has a version. A copy
takes all that is newer in one transaction, so that a reader sees one version of everything.
"""

from __future__ import annotations

import csv
import re
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import asyncpg
import msgspec
from sqlalchemy import URL, Computed, Table, and_, delete, exists, or_, select
from sqlalchemy import column as named
from sqlalchemy import table as relation
from sqlalchemy.dialects.postgresql import insert

from router.alchemy import REFERENCE_SCHEMA
from router.catalog import reference_tables
from router.database import prepare_reference
from router.errors import Conflict, NotFound, Unprocessable
from router.names import quote
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator, Iterable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import TableClause
    from sqlalchemy.sql.expression import ClauseElement

    from router.connect import Connection
    from router.database import Blueprint
    from router.product.stored_form import StoredForm

CHANNEL = "stepwell_reference"
#: What is copied is kept in memory up to here, and in a temporary file beyond.
SPOOL_BYTES_MAX = 8_000_000
PIECE_BYTES = 65_536
# Not the product's dialect, which puts the tenant in front of what conflicts.
_DIALECT = URL.create("postgresql+asyncpg").get_dialect()()
_SQL = load("migrations", "reference.sql")
_PLACE_IN_FILE = re.compile(r"line (\d+)(?:, column ([^:]+))?")


class Spool:
    """A reference table's rows in PostgreSQL's text format, in memory or in a temporary file."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - its maker closes it
            max_size=SPOOL_BYTES_MAX
        )

    async def write(self, data: bytes) -> None:
        """Take a piece."""
        self._file.write(data)

    async def read(self) -> AsyncIterator[bytes]:
        """Give all pieces, from the first one; one reader at a time."""
        self._file.seek(0)
        while piece := self._file.read(PIECE_BYTES):
            yield piece

    def close(self) -> None:
        """Forget the rows."""
        self._file.close()


class Spooled(msgspec.Struct, frozen=True):
    """One reference table at one version."""

    table: Table
    version: int
    spool: Spool


async def prepare(connection: Connection, stored: StoredForm, blueprint: Blueprint) -> None:
    """Make the reference tables of the catalog's database, and have their changes counted."""
    if not stored.reference_tables:
        return
    async with connection.transaction():
        await connection.execute(_SQL["wait_for_others"])
        await connection.execute(
            f"CREATE SCHEMA IF NOT EXISTS {REFERENCE_SCHEMA}; {blueprint.reference_sql}"
        )
        await connection.execute(_SQL["watch"])
        for table in stored.reference_tables:
            await connection.execute(_SQL["begin_at_zero"], table.name)
            if not await connection.fetchval(_SQL["is_watched"], _place(table)):
                await connection.execute(
                    "CREATE TRIGGER stepwell_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE"
                    f" ON {_place(table)} EXECUTE FUNCTION catalog.reference_changed()"
                )


async def load_csv(connection: Connection, stored: StoredForm, name: str, path: Path) -> int:
    """Make a reference table hold what a file holds, in a transaction of its own; returns the rows.

    The file has a header with every column, in any order; an empty field is NULL.
    """
    table = _find(stored, name)
    with _named(path.name):
        header = _read_header(path, table)
        async with connection.transaction():
            staged = await _stage(connection, table, 0)
            await connection.copy_to_table(
                staged.name, source=path, columns=header, format="csv", header=True
            )
            rows = int(await connection.fetchval(f"SELECT count(*) FROM {quote(staged.name)}"))  # noqa: S608 - a name of ours
            await _replace(connection, [(table, staged)])
    return rows


@contextmanager
def spools(stored: StoredForm) -> Generator[Mapping[Table, Spool]]:
    """Lend a place for the rows of each table."""
    made = {table: Spool() for table in stored.reference_tables}
    try:
        yield made
    finally:
        for spool in made.values():
            spool.close()


async def copy_out(connection: Connection, files: Mapping[Table, Spool]) -> list[Spooled]:
    """Read every table of the catalog's database as of one moment."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        versions = await reference_tables.versions(connection)
        for table, spool in files.items():
            await connection.copy_from_table(
                table.name,
                schema_name=REFERENCE_SCHEMA,
                columns=_columns(table),
                output=spool.write,
                format="text",
            )
    return [Spooled(table, versions[table.name], spool) for table, spool in files.items()]


async def versions_at(connection: Connection) -> dict[str, int]:
    """Return the versions that a tenants' database has."""
    if not await connection.fetchval(_SQL["have_versions"]):
        return {}
    return {row["name"]: row["version"] for row in await connection.fetch(_SQL["versions"])}


async def copy_in(
    connection: Connection, spooled: Sequence[Spooled], blueprint: Blueprint
) -> list[str]:
    """Bring a tenants' database up to what was read; returns the tables that changed there."""
    async with connection.transaction():
        await connection.execute(_SQL["wait_for_others"])
        known = await versions_at(connection)
        newer = [each for each in spooled if each.version > known.get(each.table.name, -1)]
        if not newer:
            return []
        await prepare_reference(connection, blueprint)
        await connection.execute(_SQL["prepare_versions"])
        pairs: list[tuple[Table, TableClause]] = []
        for number, each in enumerate(newer):
            staged = await _stage(connection, each.table, number)
            await connection.copy_to_table(
                staged.name, source=each.spool.read(), columns=_columns(each.table), format="text"
            )
            pairs.append((each.table, staged))
        await _replace(connection, pairs)
        for each in newer:
            await connection.execute(_SQL["put_version"], each.table.name, each.version)
    return [each.table.name for each in newer]


async def _stage(connection: Connection, table: Table, number: int) -> TableClause:
    name, columns = f"stepwell_new_{number}", _columns(table)
    listed = ", ".join(quote(column) for column in columns)
    source = f"SELECT {listed} FROM {_place(table)} WITH NO DATA"  # noqa: S608 - quoted names
    key = ", ".join(quote(column.name) for column in table.primary_key)
    await connection.execute(
        f"CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS {source};"
        f"CREATE UNIQUE INDEX ON {name} ({key})"
    )
    return relation(name, *[named(column, table.c[column].type) for column in columns])


async def _replace(connection: Connection, pairs: Iterable[tuple[Table, TableClause]]) -> None:
    """Make each table equal to what is staged: parents come first and go last."""
    ordered = [*pairs]
    for table, staged in ordered:
        await connection.execute(_spell(_upsert(table, staged)))
    for table, staged in reversed(ordered):
        try:
            await connection.execute(_spell(_delete_gone(table, staged)))
        except asyncpg.ForeignKeyViolationError as error:
            raise Conflict(
                f"rows that are gone from the reference table {table.name} are still in use "
                f"({error.detail}): keep them, or change what refers to them first"
            ) from error


def _upsert(table: Table, staged: TableClause) -> ClauseElement:
    key = [column.name for column in table.primary_key]
    others = [column for column in _columns(table) if column not in key]
    statement = insert(table).from_select(
        _columns(table), select(*[staged.c[column] for column in _columns(table)])
    )
    if not others:
        return statement.on_conflict_do_nothing(index_elements=key)
    return statement.on_conflict_do_update(
        index_elements=key,
        set_={column: statement.excluded[column] for column in others},
        where=or_(
            *[table.c[column].is_distinct_from(statement.excluded[column]) for column in others]
        ),
    )


def _delete_gone(table: Table, staged: TableClause) -> ClauseElement:
    same = and_(*[staged.c[column.name] == column for column in table.primary_key])
    return delete(table).where(~exists(select(1).select_from(staged).where(same)))


def _spell(statement: ClauseElement) -> str:
    return str(statement.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))


def _columns(table: Table) -> list[str]:
    return [
        column.name for column in table.columns if not isinstance(column.server_default, Computed)
    ]


def _place(table: Table) -> str:
    return f"{REFERENCE_SCHEMA}.{quote(table.name)}"


def _find(stored: StoredForm, name: str) -> Table:
    known = {table.name: table for table in stored.reference_tables}
    if name not in known:
        names = ", ".join(sorted(known)) or "the product has none"
        raise NotFound(f"there is no reference table {name[:80]!r} ({names})")
    return known[name]


def _read_header(path: Path, table: Table) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        header: list[str] = next(csv.reader(file), list[str]())
    wanted = _columns(table)
    if sorted(header) != sorted(wanted):
        raise Unprocessable(
            f"{path.name}: the first line must name the columns {','.join(wanted)}, "
            f"not {','.join(header)[:200] or 'nothing'}"
        )
    return header


@contextmanager
def _named(file: str) -> Generator[None]:
    """Say where in the file it was, as far as PostgreSQL knows."""
    try:
        yield
    except OSError as error:
        raise Unprocessable(f"{file} can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Unprocessable(f"{file} isn't UTF-8: {error.reason}") from error
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        where = _PLACE_IN_FILE.search(getattr(error, "context", None) or "")
        place = f", {where[0].strip()}" if where else ""
        detail = f" ({error.detail})" if error.detail else ""
        raise Unprocessable(f"{file}{place}: {error.args[0]}{detail}") from error
