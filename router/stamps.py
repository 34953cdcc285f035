"""Stamps: a database's comment tells which revisions it has, to whoever asks its server.

Comments of databases are kept in one table of the whole server, and change in the transaction that
notes a revision. So one query reads of every database what a connection to each would tell.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from router.names import quote
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from router.connect import Connection

_SQL = load("router", "stamps.sql")


def stamp_of(schema: str, applied: Iterable[tuple[str, str]]) -> str:
    """Spell the stamp of a database whose one schema has these revisions, each with its hash."""
    said = "\n".join(f"{revision} {sql_hash}" for revision, sql_hash in sorted(applied))
    digest = hashlib.sha256(said.encode()).hexdigest()
    return f"stepwell: the revisions in {schema} have the digest {digest}"


async def stamp(connection: Connection) -> None:
    """Make a database's comment equal to its notes, in the transaction that changed them.

    It is taken away where a revision is half done, and left alone where it is somebody else's.
    """
    row = await connection.fetchrow(_SQL["wanted"])
    if row is None or row["wanted"] == row["found"]:
        return
    said = "NULL" if row["wanted"] is None else "'" + row["wanted"].replace("'", "''") + "'"
    await connection.execute(f"COMMENT ON DATABASE {quote(row['name'])} IS {said}")


async def drop_stamp(connection: Connection) -> None:
    """Take a database's stamp away, in the transaction that drops its schema."""
    name = await connection.fetchval(_SQL["stamped"])
    if name is not None:
        await connection.execute(f"COMMENT ON DATABASE {quote(name)} IS NULL")


async def read_stamps(connection: Connection, databases: Collection[str]) -> dict[str, str]:
    """Return what databases of a connection's server say of themselves."""
    rows = await connection.fetch(_SQL["read"], [*databases])
    return {row["name"]: row["said"] for row in rows}
