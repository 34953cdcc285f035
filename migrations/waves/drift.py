"""Whether a place's tables are what its revision makes; table by table, with the repair.

What a revision makes is asked of PostgreSQL itself: an empty schema of it is made in the same
database, in a transaction that is always rolled back.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from router.alchemy import REFERENCE_SCHEMA
from router.database import Blueprint, make_schema
from router.names import quote, random_name
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Mapping, Sequence

    from migrations.waves.chain import Chain
    from router.connect import Connection
    from router.words import Tier

_SQL = load("migrations.waves", "drift.sql")
_OWNER = "stepwell_owner"
#: What one sentence tells of them; `migrate status --drift` tells all.
_TOLD_MAX = 3

#: By table, kind and name: what PostgreSQL says of it.
Shape: TypeAlias = "Mapping[tuple[str, str, str], str]"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that isn't as the revision makes it; ``repair`` is SQL, or a sentence."""

    table: str
    kind: str
    name: str
    wanted: str | None
    found: str | None
    repair: str

    def __str__(self) -> str:
        """Say it in one sentence."""
        thing = self.kind if self.kind in {"table", "view"} else f"{self.kind} {self.name}"
        if self.found is None:
            said = f"{thing} is missing"
        elif self.wanted is None:
            said = f"{thing} is too much"
        else:
            said = f"{thing} is {self.found} and should be {self.wanted}"
        return f"table {self.table}: {said} ({self.repair})"


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What a revision makes in one tier: in short, and in full once that was asked for."""

    outline: str
    shape: Shape | None = None


class Shapes:
    """What revisions make, remembered for as long as one migration."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        #: PostgreSQL of another version may spell the same in other words.
        self._made: dict[tuple[str, Tier, int], Made] = {}
        #: Databases are looked at side by side; what a revision makes is made once for all.
        self._turn = asyncio.Lock()

    async def drifted(
        self,
        connection: Connection,
        places: Mapping[str, tuple[str, Tier]],
        *,
        in_full: bool = False,
    ) -> dict[str, tuple[Difference, ...]]:
        """Return what differs in schemas of one database, by revision and tier.

        Unless ``in_full``, what has the same name and type is taken to be the same.
        """
        outlines = await _outlines(connection, places)
        found: dict[str, tuple[Difference, ...]] = {}
        for schema, (revision, tier) in places.items():
            if not self._chain.is_shape_known(revision):
                continue
            made = await self._make(connection, revision, tier, in_full=in_full)
            if not in_full and outlines.get(schema) == made.outline:
                continue
            made = await self._make(connection, revision, tier, in_full=True)
            assert made.shape is not None, "it was asked for"
            there = await _describe(connection, schema)
            if differences := compare(made.shape, there, schema=schema):
                found[schema] = differences
        return found

    async def _make(
        self, connection: Connection, revision: str, tier: Tier, *, in_full: bool
    ) -> Made:
        key = (revision, tier, connection.get_server_version().major)
        async with self._turn:
            made = self._made.get(key)
            if made is None or (in_full and made.shape is None):
                schema_sql = self._chain.sql_to(revision)
                async with _scratch(connection, schema_sql, revision, tier) as schema:
                    outlines = await _outlines(connection, [schema])
                    shape = await _describe(connection, schema) if in_full else None
                # A revision may leave nothing at all.
                made = Made(outline=outlines.get(schema, ""), shape=shape)
                self._made[key] = made
        return made


def compare(wanted: Shape, found: Shape, *, schema: str) -> tuple[Difference, ...]:
    """Say what differs, in the order of the tables."""
    differences = [
        Difference(
            table=key[0],
            kind=key[1],
            name=key[2],
            wanted=wanted.get(key),
            found=found.get(key),
            repair=_repair(key, wanted.get(key), schema=schema),
        )
        for key in sorted({*wanted, *found}, key=lambda key: (key[0], _KINDS.index(key[1]), key))
        if wanted.get(key) != found.get(key)
    ]
    # Of a table that isn't there, or shouldn't be, everything differs: it is told once.
    whole = {each.table for each in differences if each.kind in {"table", "view"}}
    return tuple(
        each for each in differences if each.table not in whole or each.kind in {"table", "view"}
    )


def told(differences: Sequence[Difference], revision: str) -> str:
    """Say in one sentence what keeps a place from being worked at."""
    said = "; ".join(str(each) for each in differences[:_TOLD_MAX])
    more = len(differences) - _TOLD_MAX
    if more > 0:
        said += f"; and {more} more differences, which `stepwell migrate status --drift` tells"
    return f"it isn't what revision {revision} makes, so somebody altered it by hand: {said}"


_KINDS = ("table", "view", "column", "constraint", "index")
_DROPS = {
    "table": "DROP TABLE {table}, once its rows are of no use",
    "view": "DROP VIEW {table}",
    "column": "ALTER TABLE {table} DROP COLUMN {name}, once its values are of no use",
    "constraint": "ALTER TABLE {table} DROP CONSTRAINT {name}",
    "index": "DROP INDEX CONCURRENTLY {place}",
}


def _repair(key: tuple[str, str, str], wanted: str | None, *, schema: str) -> str:
    """Propose what makes it equal again, to be run as the tables' owner."""
    table, kind, name = f"{quote(schema)}.{quote(key[0])}", key[1], quote(key[2])
    if wanted is None:
        place = f"{quote(schema)}.{name}"
        return _DROPS[kind].format(table=table, name=name, place=place)
    match kind:
        case "column":
            return f"ALTER TABLE {table} ADD COLUMN {name} {wanted}, or ALTER COLUMN to that"
        case "constraint":
            return f"ALTER TABLE {table} ADD CONSTRAINT {name} {wanted}"
        case "index":
            return f"SET search_path = {quote(schema)}; {wanted}"
        case _:
            return "make it as the revision does, and fill it from an archive or a backup"


@asynccontextmanager
async def _scratch(
    connection: Connection, schema_sql: str, revision: str, tier: Tier
) -> AsyncGenerator[str]:
    """Lend a schema that nobody else ever sees."""
    schema = random_name("scratch_")
    blueprint = Blueprint(head=revision, schema_sql=schema_sql, reference_sql="")
    transaction = connection.transaction()
    await transaction.start()
    try:
        await make_schema(connection, schema, tier=tier, grantee=_OWNER, blueprint=blueprint)
        yield schema
    finally:
        await transaction.rollback()


async def _outlines(connection: Connection, schemas: Collection[str]) -> dict[str, str]:
    rows = await connection.fetch(_SQL["outline"], [*schemas])
    return {row["schema_name"]: row["outline"] for row in rows}


async def _describe(connection: Connection, schema: str) -> Shape:
    async with connection.transaction():
        path = f"{quote(schema)}, {REFERENCE_SCHEMA}"
        await connection.execute(f"SET LOCAL search_path = {path}")
        rows = await connection.fetch(_SQL["describe"], schema)
        await connection.execute("RESET search_path")
    return {(row["table_name"], row["kind"], row["name"]): row["detail"] for row in rows}
