"""Making a database fit to hold tenants: roles, gate, keys, reference tables, schemas.

Everything here is the administrator's work, is safe to repeat, and is one transaction each.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from router.alchemy import REFERENCE_SCHEMA
from router.fleet import APP_LOGIN, scram_verifier
from router.names import quote
from router.stamps import drop_stamp, stamp
from router.words import Placement, Tier

if TYPE_CHECKING:
    from uuid import UUID

    from router.capability import GateKey
    from router.connect import Connection

#: The schema of the shared tables. Not a secret, unlike a tenant's own.
SHARED_SCHEMA = "shared"
#: Two provisioners of one database wait for each other here (pg_advisory_xact_lock).
_PREPARE_LOCK = 7_003_771_001

_GATE = files("router.gate")
_ROLES_SQL = _GATE.joinpath("roles.sql").read_text()
_GATE_SQL = _GATE.joinpath("gate.sql").read_text()
_ADOPT_SQL = _GATE.joinpath("adopt.sql").read_text()

#: How the gate's files are spelled where there is a gate already.
_REMADE = (
    ("CREATE SCHEMA gate ", "CREATE SCHEMA IF NOT EXISTS gate "),
    ("CREATE TABLE gate.", "CREATE TABLE IF NOT EXISTS gate."),
    ("CREATE INDEX change_by_tenant ", "CREATE INDEX IF NOT EXISTS change_by_tenant "),
    ("CREATE FUNCTION gate.", "CREATE OR REPLACE FUNCTION gate."),
)

_CLOSE_DATABASE = """
    REVOKE ALL ON DATABASE {database} FROM PUBLIC;
    REVOKE ALL ON SCHEMA public FROM PUBLIC;
    GRANT CONNECT ON DATABASE {database} TO {login};
"""
_PUT_KEY = """
    INSERT INTO gate.key (id, inner_pad, outer_pad) VALUES ($1, $2, $3)
    ON CONFLICT (id) DO UPDATE SET inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad
"""
_ADMIT = """
    INSERT INTO gate.home (tenant_id, state, epoch, schema_name, login, place)
    VALUES ($1, 'active', $2, $3, $4, $5) ON CONFLICT (tenant_id) DO NOTHING
"""
_PUT_REVISION = """
    INSERT INTO gate.revision (schema_name, revision) VALUES ($1, $2)
    ON CONFLICT (schema_name) DO UPDATE SET revision = excluded.revision, changed_at = now()
"""
_PUT_APPLIED = """
    INSERT INTO gate.applied (schema_name, revision, sql_hash, steps_done, is_whole)
    SELECT $1, a.revision, a.sql_hash, 0, true
    FROM unnest($2::text[], $3::text[]) AS a(revision, sql_hash)
    ON CONFLICT (schema_name, revision) DO NOTHING
"""


class Blueprint(msgspec.Struct, frozen=True, kw_only=True):
    """The product as SQL: what makes an empty schema one of the head revision.

    ``applied`` are the revisions that it is made of, each with the hash of what it says, and
    ``parts`` what each of them does to an empty schema.
    """

    head: str
    schema_sql: str
    reference_sql: str
    applied: tuple[tuple[str, str], ...] = ()
    parts: tuple[str, ...] = ()

    def at(self, revision: str | None) -> Blueprint:
        """Return what makes a place of an earlier revision; None is the newest one."""
        if revision is None or revision == self.head:
            return self
        number = [each for each, _ in self.applied].index(revision) + 1
        return Blueprint(
            head=revision,
            schema_sql="\n".join(self.parts[:number]),
            reference_sql=self.reference_sql,
            applied=self.applied[:number],
            parts=self.parts[:number],
        )


async def prepare_cluster(connection: Connection, *, app_password: str) -> None:
    """Make the cluster's roles, and the router's login with its password."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _PREPARE_LOCK)
        await connection.execute(_ROLES_SQL)
        await _set_login(connection, APP_LOGIN, app_password)


async def make_login(
    connection: Connection,
    login: str,
    *,
    password: str,
    groups: tuple[str, ...],
    database: str | None = None,
) -> None:
    """Make a login that owns nothing, or renew its password; it may enter ``database`` if given."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _PREPARE_LOCK)
        if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", login):
            await connection.execute(f"CREATE ROLE {quote(login)} NOLOGIN NOBYPASSRLS")
        for group in groups:
            await connection.execute(f"GRANT {quote(group)} TO {quote(login)}")
        if database is not None:
            await connection.execute(
                f"GRANT CONNECT ON DATABASE {quote(database)} TO {quote(login)}"
            )
        await _set_login(connection, login, password)


async def drop_login(connection: Connection, login: str) -> None:
    """Drop a login with everything that was granted to it in this database; repeatable."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _PREPARE_LOCK)
        if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", login):
            await connection.execute(f"DROP OWNED BY {quote(login)}; DROP ROLE {quote(login)}")


async def make_database(connection: Connection, database: str) -> None:
    """Make an empty database that nobody but the administrator may enter; repeatable."""
    if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", database):
        return
    try:
        await connection.execute(
            f"CREATE DATABASE {quote(database)} TEMPLATE template0 ENCODING 'UTF8'"
        )
    except asyncpg.DuplicateDatabaseError:
        return  # another worker was faster


async def drop_database(connection: Connection, database: str) -> None:
    """Drop a database, with whoever is still connected to it; repeatable."""
    await connection.execute(f"DROP DATABASE IF EXISTS {quote(database)} WITH (FORCE)")


async def drop_schema(connection: Connection, schema: str, *, lock_ms: int = 0) -> None:
    """Drop a schema and everything in it; repeatable.

    With ``lock_ms`` it gives up soon where somebody reads what its tables refer to: who waits for a
    lock that shuts readers out has all that come later wait behind it.
    """
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = {int(lock_ms)}")
        await connection.execute(f"DROP SCHEMA IF EXISTS {quote(schema)} CASCADE")
        await connection.execute("DELETE FROM gate.revision WHERE schema_name = $1", schema)
        await connection.execute("DELETE FROM gate.applied WHERE schema_name = $1", schema)
        await drop_stamp(connection)


async def shut(connection: Connection, tenant_id: UUID) -> None:
    """Shut a tenant's gate for good: waits for the transactions that are in, refuses new ones."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", lock_key(tenant_id))
        await connection.execute(
            "UPDATE gate.home SET state = 'erased', place = '{}' WHERE tenant_id = $1", tenant_id
        )


async def forget(connection: Connection, tenant_id: UUID) -> None:
    """Remove the last traces of an erased tenant from a database."""
    async with connection.transaction():
        await connection.execute("DELETE FROM gate.counter WHERE tenant_id = $1", tenant_id)
        await connection.execute("DELETE FROM gate.change WHERE tenant_id = $1", tenant_id)
        await connection.execute("DELETE FROM gate.move WHERE tenant_id = $1", tenant_id)
        await connection.execute("DELETE FROM gate.home WHERE tenant_id = $1", tenant_id)


def lock_key(tenant_id: UUID) -> int:
    """Return the key of the advisory lock that the gate takes for a tenant: its first 64 bits."""
    return int.from_bytes(tenant_id.bytes[:8], "big", signed=True)


async def prepare_database(
    connection: Connection, *, login: str, key: GateKey, blueprint: Blueprint
) -> None:
    """Close a database to everyone but one login, and build the gate and the reference tables."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _PREPARE_LOCK)
        name = await connection.fetchval("SELECT current_database()")
        if not await connection.fetchval("SELECT to_regclass('gate.key')"):
            await connection.execute(_GATE_SQL)
            await connection.execute(_ADOPT_SQL)
        await connection.execute(
            _CLOSE_DATABASE.format(database=quote(str(name)), login=quote(login))
        )
        await connection.execute(_PUT_KEY, key.id, *key.pads)
        await prepare_reference(connection, blueprint)


async def renew_gate(connection: Connection) -> None:
    """Put this version's gate in the place of an older one; transactions that are in go on."""
    code = _GATE_SQL + _ADOPT_SQL
    for made, remade in _REMADE:
        code = code.replace(made, remade)
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", _PREPARE_LOCK)
        await connection.execute(code)


async def prepare_reference(connection: Connection, blueprint: Blueprint) -> None:
    """Make the reference tables that are missing, empty; needs a transaction."""
    await connection.execute(
        f"CREATE SCHEMA IF NOT EXISTS {REFERENCE_SCHEMA} AUTHORIZATION stepwell_owner;"
        "SET LOCAL ROLE stepwell_owner;"
        f"{blueprint.reference_sql}"
        f"GRANT USAGE ON SCHEMA {REFERENCE_SCHEMA} TO stepwell_login;"
        f"GRANT SELECT ON ALL TABLES IN SCHEMA {REFERENCE_SCHEMA} TO stepwell_login;"
        "RESET ROLE"
    )


async def make_schema(
    connection: Connection, schema: str, *, tier: Tier, grantee: str, blueprint: Blueprint
) -> None:
    """Make a schema of the blueprint in one transaction; leave alone one that is there."""
    async with connection.transaction():
        if await connection.fetchval("SELECT 1 FROM gate.revision WHERE schema_name = $1", schema):
            return
        name, role = quote(schema), quote(grantee)
        await connection.execute(
            f"CREATE SCHEMA {name} AUTHORIZATION stepwell_owner;"  # noqa: S608 - names that we drew
            "SET LOCAL ROLE stepwell_owner;"
            f"SET LOCAL search_path = {name}, {REFERENCE_SCHEMA};"
            f"{blueprint.schema_sql};"
            f"SELECT gate.adopt('{schema}', '{tier.value}', '{grantee}');"
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {name} REVOKE ALL ON FUNCTIONS FROM PUBLIC;"
            f"GRANT USAGE ON SCHEMA {name} TO {role};"
            "RESET ROLE"
        )
        await connection.execute(_PUT_REVISION, schema, blueprint.head)
        if blueprint.applied:
            await connection.execute(
                _PUT_APPLIED,
                schema,
                [revision for revision, _ in blueprint.applied],
                [sql_hash for _, sql_hash in blueprint.applied],
            )
            if tier is Tier.DATABASE:
                await stamp(connection)


async def admit(connection: Connection, tenant_id: UUID, placement: Placement) -> None:
    """Let a tenant in: from here on its gate opens. A tenant that is in already stays as it is."""
    await connection.execute(
        _ADMIT,
        tenant_id,
        placement.epoch,
        placement.schema,
        placement.login,
        msgspec.json.encode(placement).decode(),
    )


async def _set_login(connection: Connection, login: str, password: str) -> None:
    # A verifier is base64 and digits: nothing in it could end the literal.
    await connection.execute(
        f"ALTER ROLE {quote(login)} LOGIN PASSWORD '{scram_verifier(password)}'"
    )
