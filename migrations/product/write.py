"""``stepwell revision``: writes the next revision, by comparing the models with the last one."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from alembic.autogenerate import produce_migrations, render_python_code
from alembic.operations.ops import CreateForeignKeyOp, CreateTableOp
from alembic.runtime.migration import MigrationContext
from sqlalchemy import URL, ForeignKeyConstraint, Table
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from migrations.lint import lint
from migrations.product.render import render, scripts
from migrations.product.safely import make_safe, name_constraints
from router.connect import tls
from router.errors import ProductRefused, Unprocessable
from router.names import quote, random_name

if TYPE_CHECKING:
    from alembic.operations.ops import UpgradeOps
    from sqlalchemy import Connection as SyncConnection
    from sqlalchemy.sql.schema import SchemaItem

    from router.connect import Address
    from router.product.plug import LoadedProduct


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A revision that was written: its file, what the linter finds in it, and what to think of."""

    path: Path
    findings: tuple[str, ...]
    notes: tuple[str, ...]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What the models ask for and the last revision doesn't give, as the code of a revision."""

    upgrade: str
    downgrade: str
    imports: str
    notes: tuple[str, ...]


async def write_revision(
    loaded: LoadedProduct, message: str, *, scratch: Address
) -> Written | None:
    """Write the next revision; None when the models ask for nothing new.

    Tables with rows are changed in the forms of ``migrations.safe``; what has none, the linter
    names. ``scratch`` is a database with a gate; the comparison happens there in a transaction that
    is always rolled back.
    """
    if not message.strip():
        raise Unprocessable("say what the revision does: stepwell revision -m TEXT")
    loaded.revisions.mkdir(parents=True, exist_ok=True)
    difference = await _difference(loaded, scratch)
    if difference is None:
        return None
    directory = scripts(loaded)
    script = directory.generate_revision(
        f"{len(list(directory.walk_revisions())) + 1:04d}_{secrets.token_hex(3)}",
        message.strip(),
        upgrades=difference.upgrade,
        downgrades=difference.downgrade,
        imports=difference.imports,
    )
    if script is None:
        raise ProductRefused(f"Alembic could not write a revision in {loaded.revisions}")
    findings = lint(render(loaded), only={script.revision})
    return Written(
        path=Path(script.path), findings=tuple(map(str, findings)), notes=difference.notes
    )


async def _difference(loaded: LoadedProduct, scratch: Address) -> Difference | None:
    is_first = not scripts(loaded).get_heads()
    existing = "SELECT 1" if is_first else render(loaded).sql
    schema = quote(random_name("scratch_"))
    url = URL.create(
        "postgresql+asyncpg",
        username=scratch.user,
        password=scratch.password,
        host=scratch.host,
        port=scratch.port,
        database=scratch.database,
    )
    # The dialect remembers the schema that it found first, so each comparison has its own engine.
    engine = create_async_engine(
        url,
        poolclass=NullPool,
        connect_args={
            "ssl": tls(scratch),
            "server_settings": {"search_path": schema},
        },
    )
    try:
        async with engine.connect() as connection:
            await connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
            driver = (await connection.get_raw_connection()).driver_connection
            assert driver is not None
            await driver.execute(existing)
            try:
                return await connection.run_sync(_compare, loaded)
            finally:
                await connection.rollback()
    finally:
        await engine.dispose()


def _compare(connection: SyncConnection, loaded: LoadedProduct) -> Difference | None:
    # The dialect asked for its schema before that schema was made.
    connection.dialect.default_schema_name = connection.exec_driver_sql(
        "SELECT current_schema()"
    ).scalar_one()
    migration = MigrationContext.configure(
        connection,
        opts={"compare_type": True, "include_object": _is_compared},
    )
    script = produce_migrations(migration, loaded.stored.metadata)
    assert script.upgrade_ops is not None
    assert script.downgrade_ops is not None
    if script.upgrade_ops.is_empty():
        return None
    _break_cycles(script.upgrade_ops)
    name_constraints(script.upgrade_ops)
    script.upgrade_ops.reverse_into(script.downgrade_ops)
    notes = make_safe(script.upgrade_ops, migration.impl)
    make_safe(script.downgrade_ops, migration.impl)
    upgrade, downgrade = (
        render_python_code(operations, migration_context=migration)
        for operations in (script.upgrade_ops, script.downgrade_ops)
    )
    return Difference(
        upgrade=upgrade,
        downgrade=downgrade,
        imports=_imports(upgrade + downgrade),
        notes=tuple(notes),
    )


def _imports(code: str) -> str:
    """Return the lines that the code of a revision needs at its top."""
    lines = [
        line
        for mark, line in (
            ("postgresql.", "from sqlalchemy.dialects import postgresql"),
            ("safe.", "\nfrom migrations import safe"),
        )
        if mark in code
    ]
    return "".join(f"{line}\n" for line in lines)


def _is_compared(
    item: SchemaItem,
    _name: str | None,
    _kind: str,
    _reflected: bool,  # noqa: FBT001 - Alembic's signature
    _other: SchemaItem | None,
) -> bool:
    """Leave the reference tables out: they have a schema and are made apart."""
    return not isinstance(item, Table) or item.schema is None


def _break_cycles(operations: UpgradeOps) -> None:
    """Add the foreign keys of tables that refer to each other after the tables.

    Alembic writes a key with ``use_alter`` into CREATE TABLE, and SQLAlchemy leaves it out there.
    """
    later: list[CreateForeignKeyOp] = []
    for operation in operations.ops:
        if isinstance(operation, CreateTableOp):
            later += [
                _added_later(operation.table_name, each)
                for each in operation.columns
                if isinstance(each, ForeignKeyConstraint) and each.use_alter
            ]
            operation.columns = [
                each
                for each in operation.columns
                if not (isinstance(each, ForeignKeyConstraint) and each.use_alter)
            ]
    operations.ops.extend(later)


def _added_later(table: str, constraint: ForeignKeyConstraint) -> CreateForeignKeyOp:
    targets = [element.target_fullname for element in constraint.elements]
    return CreateForeignKeyOp(
        str(constraint.name) if constraint.name else None,
        table,
        targets[0].rpartition(".")[0],
        [str(name) for name in constraint.column_keys],
        [target.rpartition(".")[2] for target in targets],
        ondelete=constraint.ondelete,
        onupdate=constraint.onupdate,
        deferrable=constraint.deferrable,
        initially=constraint.initially,
    )
