"""The product's Alembic revisions as SQL, rendered once and run as text wherever tenants live."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.schema import CreateIndex, CreateTable

from migrations.product.steps import Alone, Step, Transactional, for_empty, mark, part
from router.alchemy import dialect
from router.database import Blueprint
from router.errors import ProductRefused
from router.product.revision_sql import sql_refusals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import ModuleType

    from alembic.script import Script

    from router.product.plug import LoadedProduct

_TEMPLATES = Path(__file__).parent


class RenderedRevision(msgspec.Struct, frozen=True, kw_only=True):
    """One revision, as statements that name no schema.

    ``steps`` are run in places with tenants, ``sql`` in an empty schema; ``downgrade`` is None
    where there is no way back. One that ``is_online`` is run in each place by its ``module``,
    whose functions then have a connection: ``op.get_bind()``. ``contracts`` is the revision whose
    release was the last to use what this one drops, ``accepts`` are rules of the linter that it
    breaks, each with the reason.
    """

    id: str
    path: str
    steps: tuple[Step, ...]
    downgrade: tuple[Step, ...] | None
    digest: str
    is_online: bool
    module: ModuleType
    contracts: str | None = None
    accepts: Mapping[str, str] = {}

    @property
    def sql(self) -> str:
        """What makes an empty schema of the revision before one of this revision."""
        return for_empty(self.steps)


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
    revisions = tuple(map(_revision, ordered))
    reasons = [reason for revision in revisions for reason in _refusals(revision)]
    if reasons:
        raise ProductRefused(
            f"the product {loaded.product.name!r} can't be stored safely:\n  - "
            + "\n  - ".join(reasons)
        )
    return RenderedProduct(revisions=revisions, reference_sql=reference_sql(loaded))


def _revision(script: Script) -> RenderedRevision:
    where = f"revision {script.revision}"
    is_online = bool(getattr(script.module, "online", False))
    steps = part(_spell(script.module.upgrade, script.path), where=where)
    return RenderedRevision(
        id=script.revision,
        path=script.path,
        steps=steps,
        downgrade=_downgrade(script, where=where, is_empty=not steps),
        digest=_digest(steps, script.path if is_online else None),
        is_online=is_online,
        module=script.module,
        contracts=getattr(script.module, "contracts", None),
        accepts=dict(getattr(script.module, "accepts", {})),
    )


def _downgrade(script: Script, *, where: str, is_empty: bool) -> tuple[Step, ...] | None:
    """Return the way back; None where there is none, as ``pass`` takes nothing back."""
    try:
        steps = part(_spell(script.module.downgrade, script.path), where=where)
    except (AttributeError, NotImplementedError):
        return None
    return steps if steps or is_empty else None


def _digest(steps: tuple[Step, ...], source: str | None) -> str:
    """Sum up what a revision does, a Python one by its text; indentation makes no difference."""
    said = msgspec.json.encode(steps).decode().replace("\\n", " ")
    if source is not None:
        said += Path(source).read_text(encoding="utf-8")
    return hashlib.sha256(" ".join(said.split()).encode()).hexdigest()


def _refusals(revision: RenderedRevision) -> Iterable[str]:
    where = f"revision {revision.id}"
    for step in (*revision.steps, *(revision.downgrade or ())):
        match step:
            case Transactional():
                yield from sql_refusals(step.sql, where=where)
            case Alone():
                yield from sql_refusals(step.sql, where=where, is_alone=True)
            case _:
                yield from sql_refusals(step.update, where=where)


class _Spelling(PostgresqlImpl):
    """Says where Alembic leaves the transaction and enters one again, instead of doing it."""

    def emit_begin(self) -> None:
        self.static_output(mark("transaction"))

    def emit_commit(self) -> None:
        self.static_output(mark("alone"))


def _spell(function: Callable[[], None], path: str) -> str:
    written = io.StringIO()
    migration = MigrationContext.configure(
        dialect=dialect(),
        opts={"as_sql": True, "output_buffer": written, "literal_binds": True},
    )
    # A type that is made with its table asks a connection for its dialect: Alembic's writer is one.
    migration.impl = _Spelling(
        migration.dialect,
        migration.connection,
        as_sql=True,
        transactional_ddl=True,
        output_buffer=written,
        context_opts=migration.opts,
    )
    try:
        with Operations.context(migration):
            function()
    except NotImplementedError:
        raise
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
        head=rendered.head,
        schema_sql=rendered.sql,
        reference_sql=rendered.reference_sql,
        applied=tuple((each.id, each.digest) for each in rendered.revisions),
        parts=tuple(each.sql for each in rendered.revisions),
    )
