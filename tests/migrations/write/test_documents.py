"""The examples of docs/how-to/write-revisions.md: they pass the linter, and they run on rows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest_asyncio

from migrations.lint import lint
from migrations.product.render import render
from migrations.product.steps import Alone, Backfill, Transactional
from router.connect import connect
from router.names import quote, random_name
from router.product.plug import load
from tests.worlds import STORE_PRODUCT, scratch_database

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from migrations.product.render import RenderedProduct
    from router.connect import Address
    from tests.worlds import Clusters

PAGE = Path("docs/how-to/write-revisions.md")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
CONTRACTS = re.compile(r'contracts = "\w+"')
_HEAD = """
import sqlalchemy as sa
from alembic import op

from migrations import safe

revision, down_revision = "{name}", "{before}"
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def scratch(clusters: Clusters) -> AsyncGenerator[Address]:
    async with scratch_database(clusters, load(STORE_PRODUCT)) as address:
        yield address


def rendered(folder: Path) -> RenderedProduct:
    """Write the examples as the shop's next revisions."""
    shipped = load(STORE_PRODUCT)
    revisions = folder / "revisions"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(shipped.revisions, revisions, ignore=ignored)
    before = render(shipped).head
    for number, example in enumerate(EXAMPLES, start=1):
        name = f"example_{number}"
        text = CONTRACTS.sub(f'contracts = "{before}"', example)
        code = _HEAD.format(name=name, before=before) + text
        (revisions / f"{name}.py").write_text(code, encoding="utf-8")
        before = name
    return render(msgspec.structs.replace(shipped, revisions=revisions))


def test_the_linter_finds_nothing_in_the_examples(tmp_path: Path) -> None:
    made = rendered(tmp_path)
    assert len(made.revisions) == len(EXAMPLES) + 1 > 5
    assert lint(made) == ()


async def test_the_examples_run_step_by_step(scratch: Address, tmp_path: Path) -> None:
    first, *examples = rendered(tmp_path).revisions
    connection, schema = await connect(scratch, purpose="test"), quote(random_name("s_"))
    try:
        await connection.execute(f"CREATE SCHEMA {schema}; SET search_path = {schema}, reference")
        await connection.execute(first.sql)
        for step in [step for example in examples for step in example.steps]:
            match step:
                case Transactional(sql=sql) | Alone(sql=sql):
                    await connection.execute(sql)
                case Backfill():
                    await connection.execute(step.update)
        columns = await connection.fetch(
            "SELECT attname FROM pg_attribute WHERE attrelid = 'genre'::regclass AND attnum > 0"
            " AND NOT attisdropped"
        )
        assert {each["attname"] for each in columns} == {"tenant_id", "genre_id", "title"}
    finally:
        await connection.execute(f"DROP SCHEMA {schema} CASCADE")
        await connection.close()
