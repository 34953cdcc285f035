"""The product's Alembic revisions as SQL, rendered once and run as text wherever tenants live."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.schema import CreateIndex, CreateTable

from router.alchemy import dialect
from router.database import Blueprint
from router.errors import ProductRefused
from router.product.revision_sql import sql_refusals

if TYPE_CHECKING:
    from collections.abc import Callable

    from router.product.plug import LoadedProduct

_TEMPLATES = Path(__file__).parent


class RenderedRevision(msgspec.Struct, frozen=True, kw_only=True):
    """One revision's upgrade, as statements that name no schema."""

    id: str
    sql: str


class RenderedProduct(msgspec.Struct, frozen=True, kw_only=True):
    """All revisions from the first to the head, and the reference tables of a database."""

    revisions: tuple[RenderedRevision, ...]
    reference_sql: str

    @property
    def head(self) -> str:
        """The newest revision's id."""
        return self.revisions[-1].id

    @property
    def sql(self) -> str:
        """Everything that makes an empty schema one of the head revision."""
        return "\n".join(revision.sql for revision in self.revisions)


def scripts(loaded: LoadedProduct) -> ScriptDirectory:
    """Open the product's revisions folder."""
    return ScriptDirectory(
        str(_TEMPLATES),
        version_locations=[str(loaded.revisions)],
        file_template="%(rev)s_%(slug)s",
        messaging_opts={"quiet": True},
    )


def render(loaded: LoadedProduct) -> RenderedProduct:
    """Render every revision, first to head; refuse what can't be stored safely."""
    directory = scripts(loaded)
    try:
        heads = directory.get_heads()
        ordered = list(directory.walk_revisions())[::-1]
    except CommandError as error:
        raise ProductRefused(f"the revisions in {loaded.revisions} are broken: {error}") from error
    if len(heads) != 1:
        raise ProductRefused(
            f"{loaded.revisions} has {len(heads)} head revisions {sorted(heads)}, and needs one; "
            + ("merge them" if heads else 'write the first one: stepwell revision -m "first"')
        )
    revisions = tuple(
        RenderedRevision(id=script.revision, sql=_upgrade_sql(script.module.upgrade, script.path))
        for script in ordered
    )
    reasons = [
        reason
        for revision in revisions
        for reason in sql_refusals(revision.sql, where=f"revision {revision.id}")
    ]
    if reasons:
        raise ProductRefused(
            f"the product {loaded.product.name!r} can't be stored safely:\n  - "
            + "\n  - ".join(reasons)
        )
    return RenderedProduct(revisions=revisions, reference_sql=reference_sql(loaded))


def _upgrade_sql(upgrade: Callable[[], None], path: str) -> str:
    written = io.StringIO()
    migration = MigrationContext.configure(
        dialect=dialect(),
        opts={"as_sql": True, "output_buffer": written, "literal_binds": True},
    )
    try:
        with Operations.context(migration):
            upgrade()
    except Exception as error:
        raise ProductRefused(
            f"the revision {path} can't be spelled as SQL, once for all customers: {error}; it may "
            "ask no database, as there is none when it is spelled (op.get_bind() is None)"
        ) from error
    return written.getvalue()


def reference_sql(loaded: LoadedProduct) -> str:
    """Render what makes the reference tables that a database lacks."""
    spelling = dialect()
    statements: list[str] = []
    for table in loaded.stored.reference_tables:
        statements.append(str(CreateTable(table, if_not_exists=True).compile(dialect=spelling)))
        statements += [
            str(CreateIndex(index, if_not_exists=True).compile(dialect=spelling))
            for index in sorted(table.indexes, key=lambda each: str(each.name))
        ]
    return ";\n".join([*statements, ""])


def blueprint_of(loaded: LoadedProduct) -> Blueprint:
    """Render what a new place of the product is made from."""
    rendered = render(loaded)
    return Blueprint(
        head=rendered.head, schema_sql=rendered.sql, reference_sql=rendered.reference_sql
    )
