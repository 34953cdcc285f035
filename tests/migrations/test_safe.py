"""The safe forms: what they are made of, that they pass the linter, and that they run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import MetaData

from migrations.lint import lint
from migrations.product.render import RenderedProduct, render
from migrations.product.steps import Alone, Backfill, Transactional, for_empty
from router.errors import ProductRefused
from router.names import quote, random_name
from router.product import Product
from router.product.plug import accept
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from migrations.product.steps import Step
    from router.connect import Connection
    from tests.worlds import Clusters

_SQL = load("tests.migrations", "safe.sql")
_FIRST = f"op.execute({_SQL['first']!r})"
_SECOND = """
    safe.create_index_concurrently('track_by_name', 'track', ['name'])
    safe.add_unique('track_is_one', 'track', ['name', 'length'])
    safe.add_foreign_key_not_valid('track_artist', 'track', {'artist_id': 'id'}, to='artist',
        on_delete='SET NULL')
    safe.validate_constraint('track', 'track_artist')
    safe.add_check('track_is_long', 'track', "name NOT LIKE ':x%' AND length::int > 0")
    safe.add_not_null('track', 'length', fill="'12'::integer")
    safe.drop_index_concurrently('track_by_name', 'track')
"""


def rendered(folder: Path, *bodies: str, ahead: str = "") -> RenderedProduct:
    """Render revisions with these upgrades."""
    for number, body in enumerate(bodies, start=1):
        before = f"'000{number - 1}'" if number > 1 else "None"
        lines = [
            "from alembic import op",
            "from migrations import safe",
            f"revision, down_revision = '000{number}', {before}",
            ahead if number == len(bodies) else "",
            "def upgrade():",
            f"    {body.strip()}",
            "def downgrade():",
            "    raise NotImplementedError",
        ]
        (folder / f"000{number}_x.py").write_text("\n".join(lines))
    product = Product(name="x", metadata=MetaData(), routes=[], revisions=str(folder))
    return render(accept(product, root=folder))


def kinds(steps: tuple[Step, ...]) -> list[str]:
    return [type(step).__name__ for step in steps]


@pytest_asyncio.fixture
async def schema(clusters: Clusters) -> AsyncGenerator[Connection]:
    name = random_name("safe_")
    connection = await asyncpg.connect(clusters.shared.dsn())
    try:
        await connection.execute(f"CREATE SCHEMA {quote(name)}; SET search_path = {name}")
        yield connection
    finally:
        await connection.execute(f"DROP SCHEMA {quote(name)} CASCADE")
        await connection.close()


async def run(connection: Connection, steps: tuple[Step, ...]) -> None:
    for step in steps:
        match step:
            case Transactional():
                async with connection.transaction():
                    await connection.execute(step.sql)
            case Alone():
                if step.clear_sql:
                    await connection.execute(step.clear_sql)
                await connection.execute(step.sql)
            case Backfill():
                await connection.execute(step.update)


def test_each_form_is_the_steps_it_needs(tmp_path: Path) -> None:
    second = rendered(tmp_path, _FIRST, _SECOND).revisions[1]
    assert kinds(second.steps) == [
        "Alone",
        "Alone",
        *["Transactional"] * 4,
        "Backfill",
        "Transactional",
        "Backfill",
        "Transactional",
        "Transactional",
        "Alone",
    ]
    assert second.downgrade is None


def test_the_linter_passes_every_safe_form(tmp_path: Path) -> None:
    assert lint(rendered(tmp_path, _FIRST, _SECOND)) == ()


async def test_safe_forms_make_what_an_empty_schema_gets_at_once(
    schema: Connection, tmp_path: Path
) -> None:
    made = rendered(tmp_path, _FIRST, _SECOND)
    await schema.execute(made.revisions[0].sql)
    await schema.execute(_SQL["rows"])
    await run(schema, made.revisions[1].steps)
    assert await schema.fetchval("SELECT min(length) FROM track") == 12
    stepwise = await schema.fetch(_SQL["describe"])
    await schema.execute(_SQL["drop"])
    async with schema.transaction():
        await schema.execute(made.sql)
    assert await schema.fetch(_SQL["describe"]) == stepwise
    assert stepwise != []


async def test_an_index_that_broke_is_built_anew(schema: Connection, tmp_path: Path) -> None:
    build = "safe.create_index_concurrently('one', 'track', ['name'], unique=True)"
    made = rendered(tmp_path, _FIRST, build)
    await schema.execute(made.revisions[0].sql)
    await schema.execute(_SQL["rows"])
    await schema.execute(_SQL["twin"])
    with pytest.raises(asyncpg.UniqueViolationError):
        await run(schema, made.revisions[1].steps)
    assert await schema.fetchval(_SQL["is_valid"], "one") is False
    await schema.execute(_SQL["no_twin"])
    await run(schema, made.revisions[1].steps)
    await run(schema, made.revisions[1].steps)
    assert await schema.fetchval(_SQL["is_valid"], "one") is True


def test_alembics_own_block_is_run_alone(tmp_path: Path) -> None:
    block = (
        "with op.get_context().autocommit_block(): "
        "op.create_index('i', 'track', ['tenant_id', 'name'], postgresql_concurrently=True)"
    )
    (step,) = rendered(tmp_path, _FIRST, block).revisions[1].steps
    assert isinstance(step, Alone)
    assert step.sql == "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON track (tenant_id, name)"
    assert for_empty([step]).strip() == "CREATE INDEX i ON track (tenant_id, name);"


def test_concurrently_without_a_mark_is_refused(tmp_path: Path) -> None:
    alone = "op.execute('CREATE INDEX CONCURRENTLY i ON track (tenant_id)')"
    with pytest.raises(ProductRefused, match=r"write it with safe\.create_index"):
        rendered(tmp_path, _FIRST, alone)


def test_a_revision_says_what_it_lets_go_and_accepts(tmp_path: Path) -> None:
    ahead = "contracts, accepts, online = '0001', {'truncate': 'a test'}, True"
    second = rendered(tmp_path, _FIRST, "pass", ahead=ahead).revisions[1]
    assert (second.contracts, second.accepts) == ("0001", {"truncate": "a test"})
    assert second.is_online


def test_the_digest_tells_an_edited_revision(tmp_path: Path) -> None:
    first = rendered(tmp_path, _FIRST, "op.execute('COMMENT ON TABLE track IS NULL')")
    same = rendered(tmp_path, _FIRST, "op.execute('COMMENT ON TABLE   track\\n IS NULL')")
    other = rendered(tmp_path, _FIRST, "op.execute('COMMENT ON TABLE artist IS NULL')")
    assert first.revisions[1].digest == same.revisions[1].digest
    assert first.revisions[1].digest != other.revisions[1].digest
