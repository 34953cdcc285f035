"""The linter finds each unsafe revision, leaves its safe form alone, and what it claims is so."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio

from migrations.lint import check, lint
from migrations.lint.columns import STABLE_FUNCTIONS
from migrations.product.render import RenderedProduct, RenderedRevision
from migrations.product.steps import Alone, Backfill, Transactional, part
from router.errors import ProductRefused
from router.names import quote, random_name
from router.sql import load
from tests.migrations.lint.fixtures import BEFORE, CASES, CONTRACTS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from migrations.product.steps import Step
    from router.connect import Connection
    from tests.worlds import Clusters

_SQL = load("tests.migrations.lint", "harm.sql")
_IDS = [f"{rule}-{number}" for number, (rule, _, _) in enumerate(CASES)]
#: Rules that speak of what PostgreSQL does to the rows or to those who wait, and can be seen there.
REWRITES = {
    "rewrite-default",
    "rewrite-generated",
    "rewrite-type",
    "storage-change",
    "rewrite-table",
}
SCANS = {"blocking-not-null", "blocking-check", "blocking-foreign-key", "validate-at-once"}
LOCKS = {"blocking-index", "blocking-unique", "lock-table", "truncate", "blocking-index-drop"}


def revision(
    name: str,
    sql: str,
    *,
    contracts: str | None = None,
    accepts: Mapping[str, str] | None = None,
) -> RenderedRevision:
    return RenderedRevision(
        id=name,
        path=f"{name}.py",
        steps=part(sql, where=name),
        downgrade=None,
        digest="",
        is_online=False,
        module=types.ModuleType(name),
        contracts=contracts,
        accepts=accepts or {},
    )


def product(second: RenderedRevision) -> RenderedProduct:
    return RenderedProduct(revisions=(revision("0001", BEFORE), second), reference_sql="")


def steps_of(sql: str) -> tuple[Step, ...]:
    return part(sql.removeprefix(CONTRACTS), where="0002")


@pytest_asyncio.fixture
async def tables(clusters: Clusters) -> AsyncGenerator[Connection]:
    """A schema with the tables of the revision before, and two rows in each."""
    schema = random_name("lint_")
    connection = await asyncpg.connect(clusters.shared.dsn())
    try:
        await connection.execute(f"CREATE SCHEMA {quote(schema)}; SET search_path = {schema}")
        await connection.execute(BEFORE)
        await connection.execute(_SQL["rows"])
        yield connection
    finally:
        await connection.execute(f"DROP SCHEMA {quote(schema)} CASCADE")
        await connection.close()


async def harm(connection: Connection, steps: tuple[Step, ...]) -> set[str]:
    """Run steps, and say what they do to the table that was there before."""
    harms: set[str] = set()
    for step in steps:
        match step:
            case Transactional():
                harms |= await harm_of_transaction(connection, step.sql)
            case Alone():
                if step.clear_sql:
                    await connection.execute(step.clear_sql)
                await connection.execute(step.sql)
            case Backfill():
                pass
    return harms


async def harm_of_transaction(connection: Connection, sql: str) -> set[str]:
    async with connection.transaction():
        before = await connection.fetchrow(_SQL["look"])
        await connection.execute(sql)
        after = await connection.fetchrow(_SQL["look"])
    assert before is not None
    assert after is not None
    is_scanned = after["shuts_out"] and after["rows_read"] > before["rows_read"]
    said = {
        "rewrites": before["files"] != after["files"],
        "locks": after["shuts_out"],
        "scans": is_scanned,
    }
    return {name for name, is_so in said.items() if is_so}


@pytest.mark.parametrize(("rule", "unsafe", "safe"), CASES, ids=_IDS)
def test_an_unsafe_revision_is_found_and_its_safe_form_passes(
    rule: str, unsafe: str, safe: str
) -> None:
    assert rule in {finding.rule for finding in lint(product(revision("0002", unsafe)))}
    contracts = "0001" if safe.startswith(CONTRACTS) else None
    written = revision("0002", safe.removeprefix(CONTRACTS), contracts=contracts)
    assert lint(product(written)) == ()


@pytest.mark.parametrize(
    ("rule", "unsafe"),
    [(rule, unsafe) for rule, unsafe, _ in CASES if rule in REWRITES | SCANS | LOCKS],
)
async def test_postgresql_does_what_the_linter_warns_of(
    tables: Connection, rule: str, unsafe: str
) -> None:
    found = await harm(tables, steps_of(unsafe))
    wanted = "rewrites" if rule in REWRITES else "scans" if rule in SCANS else "locks"
    assert wanted in found


@pytest.mark.parametrize(("rule", "_unsafe", "safe"), CASES, ids=_IDS)
async def test_a_safe_form_runs_and_neither_rewrites_nor_scans(
    tables: Connection, rule: str, _unsafe: str, safe: str
) -> None:
    if rule in {"drop-table", "drop-column"}:
        await tables.execute("DROP VIEW song")
    if "TYPE" in safe:
        await tables.execute("DROP VIEW IF EXISTS song")
    assert not await harm(tables, steps_of(safe)) & {"rewrites", "scans"}


async def test_functions_that_are_called_stable_are(tables: Connection) -> None:
    names = sorted(STABLE_FUNCTIONS - {"gate.claimed"})
    assert await tables.fetch(_SQL["volatile"], names) == []


def test_a_table_of_the_same_revision_may_be_made_anyhow() -> None:
    made = "CREATE TABLE fresh (tenant_id uuid NOT NULL, id int, PRIMARY KEY (tenant_id, id));"
    more = "CREATE INDEX i ON fresh (tenant_id, id); ALTER TABLE fresh ALTER COLUMN id TYPE bigint"
    assert lint(product(revision("0002", made + more))) == ()


def test_a_rule_that_is_accepted_with_a_reason_is_not_told() -> None:
    unsafe = "ALTER TABLE track SET UNLOGGED"
    accepted = {"storage-change": "ten rows"}
    assert lint(product(revision("0002", unsafe, accepts=accepted))) == ()


def test_an_acceptance_without_a_reason_or_a_fault_is_told() -> None:
    unsafe = "ALTER TABLE track SET UNLOGGED"
    rules = {
        f.rule for f in lint(product(revision("0002", unsafe, accepts={"storage-change": ""})))
    }
    assert rules == {"storage-change", "accepts"}
    vain = revision("0002", "COMMENT ON TABLE track IS 'x'", accepts={"truncate": "why not"})
    assert [finding.rule for finding in lint(product(vain))] == ["accepts"]


def test_a_contract_with_no_earlier_revision_lets_nothing_go() -> None:
    dropped = revision("0002", "DROP TABLE artist", contracts="0007")
    assert {f.rule for f in lint(product(dropped))} == {"drop-table", "contracts"}


def test_only_the_revisions_that_are_asked_for_are_told_of() -> None:
    unsafe = product(revision("0002", "DROP TABLE artist"))
    assert lint(unsafe, only={"0001"}) == ()
    with pytest.raises(ProductRefused, match="revision 0002: DROP TABLE artist: the last release"):
        check(unsafe, only={"0002"})
