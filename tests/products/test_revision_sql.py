"""What a revision must not say, and what looks like it and may be said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table

from migrations.product.render import render
from router.errors import ProductRefused
from router.product import Product
from router.product.plug import LoadedProduct, accept
from router.product.revision_sql import sql_refusals

if TYPE_CHECKING:
    from pathlib import Path

ROW_SECURITY = "row security is the platform's"
ACROSS = "it would hold across customers, or tell one what another has; begin it with tenant_id"
SCHEMA = "it names a schema"
#: Each fault with what is said of it, and the nearest statement without it.
CASES: list[tuple[str, str, str]] = [
    (
        "CREATE MATERIALIZED VIEW IF NOT EXISTS v AS SELECT 1",
        "CREATE MATERIALIZED VIEW IF NOT EXISTS v: it has no row security",
        "CREATE VIEW v WITH (security_invoker) AS SELECT 1",
    ),
    (
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "VIEW v: it reads as its owner; create it WITH (security_invoker = true)",
        "CREATE OR REPLACE VIEW v WITH (security_barrier, security_invoker = 'on') AS SELECT 1",
    ),
    (
        "CREATE VIEW v (a, b) WITH (security_invoker=false) AS SELECT 1, 2",
        "VIEW v: it reads as its owner",
        "CREATE VIEW v (a, b) WITH (security_invoker=true) AS SELECT 1, 2",
    ),
    (
        "ALTER VIEW v RESET (security_invoker)",
        "leave security_invoker on",
        "ALTER VIEW v SET (security_invoker = true)",
    ),
    (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN END$$",
        "FUNCTION f: SECURITY DEFINER runs it as the tables' owner",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER AS $$BEGIN END$$",
    ),
    (
        'ALTER FUNCTION "f g"() SECURITY DEFINER',
        'FUNCTION "f g": SECURITY DEFINER',
        'ALTER FUNCTION "f g"() SECURITY INVOKER',
    ),
    (
        "CREATE FOREIGN TABLE t (a int) SERVER s",
        "CREATE FOREIGN TABLE t: it has no row security",
        "ALTER TABLE t ADD COLUMN foreign_table int",
    ),
    (
        "CREATE RULE r AS ON INSERT TO t DO ALSO NOTIFY x",
        "CREATE RULE r: a rule sends",
        "CREATE INDEX rule ON t (tenant_id, a)",
    ),
    ("CREATE POLICY p ON t USING (true)", ROW_SECURITY, "COMMENT ON TABLE t IS 'our policy'"),
    ("DROP POLICY IF EXISTS only_own_rows ON t", ROW_SECURITY, "DROP INDEX IF EXISTS policy"),
    (
        "ALTER TABLE t NO FORCE ROW LEVEL SECURITY",
        ROW_SECURITY,
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY",
    ),
    ("GRANT TRUNCATE ON t TO PUBLIC", "GRANT: rights are", "UPDATE t SET grants = 1"),
    (
        "DO $$BEGIN REVOKE SELECT ON t FROM stepwell_rows; END$$",
        "REVOKE: rights are",
        "DO $$BEGIN revoke := true; END$$",
    ),
    (
        "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC",
        "ALTER DEFAULT PRIVILEGES: rights are",
        "ALTER TABLE t ALTER COLUMN privileges SET DEFAULT 1",
    ),
    (
        "ALTER TABLE t OWNER TO postgres",
        "OWNER TO: everything belongs",
        "ALTER TABLE t RENAME owner TO keeper",
    ),
    (
        "RESET ROLE",
        "RESET ROLE: the platform chooses who",
        "UPDATE member SET role = 'owner' WHERE role = 'root'",
    ),
    (
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$BEGIN SET LOCAL ROLE admin; END$$",
        "SET LOCAL ROLE: the platform chooses who",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$BEGIN UPDATE m SET role = 1; END$$",
    ),
    (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET role = 'admin' AS 'SELECT 1'",
        "SET role: the platform chooses who",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC UPDATE m SET role = 1; END",
    ),
    (
        "SELECT set_config('role', 'admin', true)",
        "the platform chooses who",
        "SELECT set_config('work_mem', '64MB', true)",
    ),
    (
        "SET SESSION AUTHORIZATION admin",
        "SESSION AUTHORIZATION: the platform chooses who",
        "SET LOCAL lock_timeout = '5s'",
    ),
    (
        "SET search_path = public",
        "SET search_path: the platform chooses where",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql SET search_path = pg_catalog AS 'SELECT 1'",
    ),
    (
        "SET LOCAL session_replication_role = replica",
        "it switches off what keeps customers apart",
        "UPDATE t SET replication = 'replica'",
    ),
    (
        "DELETE FROM gate.home",
        "gate.home: the gate is the platform's",
        "SELECT a.number FROM gate AS a JOIN flight ON gate.id = flight.gate_id",
    ),
    (
        "SELECT set_config('gate.stamp', 'x', true)",
        "the gate is the platform's",
        "ALTER TABLE t ALTER COLUMN tenant SET DEFAULT gate.claimed()",
    ),
    ("CREATE TABLE shared.t (tenant_id uuid)", SCHEMA, "CREATE TABLE t (tenant_id uuid)"),
    (
        'CREATE TRIGGER a BEFORE INSERT ON reference."country" EXECUTE FUNCTION f()',
        f'ON reference."country": {SCHEMA}',
        "CREATE TRIGGER a BEFORE INSERT ON country EXECUTE FUNCTION f()",
    ),
    (
        "INSERT INTO reference.country VALUES ('FR')",
        f"INSERT INTO reference.country: {SCHEMA}",
        "ALTER TABLE t ADD FOREIGN KEY (code) REFERENCES reference.country (code)",
    ),
    ("ALTER SCHEMA shared RENAME TO s", "the platform chooses the schema", "DROP TABLE schema_of"),
    (
        "ALTER TABLE t SET SCHEMA public",
        "the platform chooses the schema",
        "UPDATE t SET schema_ = 1",
    ),
    (
        "CREATE SEQUENCE IF NOT EXISTS numbers",
        "CREATE SEQUENCE IF NOT EXISTS numbers: a sequence would be shared",
        "CREATE INDEX sequence ON t (tenant_id)",
    ),
    (
        "ALTER TABLE t ALTER COLUMN a SET DEFAULT nextval('numbers')",
        "nextval(: a sequence would be shared",
        "ALTER TABLE t ALTER COLUMN nextval SET DEFAULT 1",
    ),
    (
        "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()",
        "CREATE EVENT TRIGGER e: it reaches beyond",
        "CREATE TRIGGER event BEFORE INSERT ON t EXECUTE FUNCTION f()",
    ),
    (
        "CREATE EXTENSION IF NOT EXISTS citext",
        "CREATE EXTENSION IF NOT EXISTS citext: it reaches beyond",
        "CREATE DOMAIN citext AS text",
    ),
    ("SECURITY LABEL ON TABLE t IS 'x'", "SECURITY LABEL: it reaches beyond", "SELECT 'label'"),
    (
        "CREATE TABLE IF NOT EXISTS t (a int)",
        "CREATE TABLE IF NOT EXISTS t: it has no tenant_id",
        "CREATE TEMPORARY TABLE t (a int) ON COMMIT DROP",
    ),
    (
        "CREATE TABLE t (tenant_id uuid, a int) PARTITION BY HASH (tenant_id)",
        "partitioned tables can't be stored",
        "CREATE TABLE t (tenant_id uuid, partition_by int)",
    ),
    (
        "CREATE TABLE t (tenant_id uuid) INHERITS (s)",
        "inherited and partitioned",
        "CREATE TABLE t (tenant_id uuid, inherits int)",
    ),
    (
        "ALTER TABLE t DROP COLUMN tenant_id",
        "the column is the platform's",
        "ALTER TABLE t DROP COLUMN tenant_id_of_old",
    ),
    (
        "CREATE UNIQUE INDEX i ON t (lower(email))",
        ACROSS,
        "CREATE UNIQUE INDEX i ON t ( tenant_id, lower(email))",
    ),
    (
        "CREATE UNIQUE INDEX ON t USING btree (email, tenant_id)",
        ACROSS,
        'CREATE UNIQUE INDEX ON t USING btree ("tenant_id", email)',
    ),
    (
        "ALTER TABLE t ADD CONSTRAINT one UNIQUE NULLS NOT DISTINCT (email)",
        f"UNIQUE NULLS NOT DISTINCT (email): {ACROSS}",
        "ALTER TABLE t ADD CONSTRAINT one UNIQUE NULLS NOT DISTINCT (tenant_id, email)",
    ),
    (
        "ALTER TABLE t ADD COLUMN email text UNIQUE",
        ACROSS,
        'ALTER TABLE t ADD COLUMN "unique" text, ADD UNIQUE USING INDEX i',
    ),
    (
        "CREATE TABLE t (tenant_id uuid, id int PRIMARY KEY)",
        f"PRIMARY KEY: {ACROSS}",
        "CREATE TABLE t (tenant_id uuid, id int, PRIMARY KEY (tenant_id, id))",
    ),
    (
        "ALTER TABLE t ADD EXCLUDE USING gist (hours WITH &&)",
        "an exclusion would hold across customers",
        "ALTER TABLE t ADD COLUMN exclude int",
    ),
    (
        "CREATE TRIGGER stepwell_capture AFTER INSERT ON t EXECUTE FUNCTION f()",
        "name your own",
        "CREATE TRIGGER capture AFTER INSERT ON t EXECUTE FUNCTION f()",
    ),
    (
        "ALTER TABLE t DISABLE TRIGGER USER",
        "DISABLE TRIGGER USER: triggers named stepwell_",
        "ALTER TABLE t DISABLE TRIGGER users",
    ),
    ("COMMIT", "a revision is one transaction", "ROLLBACK TO SAVEPOINT a"),
    (
        "BEGIN",
        "a revision is one transaction",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END",
    ),
    (
        "CREATE INDEX CONCURRENTLY i ON t (tenant_id)",
        "CREATE INDEX CONCURRENTLY: it can't run inside of a transaction",
        "CREATE INDEX i ON t (tenant_id, concurrently)",
    ),
    ("VACUUM t", "it can't run inside of a transaction", "ANALYZE t"),
    (
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $a$BEGIN NOTIFY x; END$a$",
        "NOTIFY x: every customer of the database may listen",
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $a$BEGIN notify := 1; END$a$",
    ),
    (
        "CREATE FUNCTION f() RETURNS bool LANGUAGE sql LEAKPROOF AS 'SELECT true'",
        "LEAKPROOF: such a function sees rows",
        "CREATE FUNCTION f() RETURNS bool LANGUAGE sql NOT LEAKPROOF AS 'SELECT true'",
    ),
]
FAULTS = [(fault, said) for fault, said, _ in CASES]
REVISION = '''from __future__ import annotations

from alembic import op

revision = "{id}"
down_revision = {after!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    {code}
'''


def told(sql: str) -> list[str]:
    return list(sql_refusals(sql, where="revision 1"))


@pytest.mark.parametrize(("fault", "said"), FAULTS, ids=[fault[:50] for fault, _ in FAULTS])
def test_what_must_not_be_said_is_told_with_a_way_out(fault: str, said: str) -> None:
    (reason,) = told(fault)
    assert reason.startswith("revision 1: ")
    assert said in reason


@pytest.mark.parametrize("nearest", [nearest for _, _, nearest in CASES])
def test_what_looks_like_it_may_be_said(nearest: str) -> None:
    assert told(nearest) == []


@given(
    fault=st.sampled_from(FAULTS),
    before=st.sampled_from(["SELECT '--'", "SELECT '/*', 1", 'SELECT ";" AS "a--"', "-- x\n", ""]),
    between=st.sampled_from([" ", "\n\t", " /* ; */ ", " -- it's\n"]),
)
def test_nothing_that_stands_around_a_fault_hides_it(
    fault: tuple[str, str], before: str, between: str
) -> None:
    words, said = fault
    spelled = between.join(words.split(" ")) if "'" not in words and '"' not in words else words
    reasons = told(f"{before};\n{spelled};\nSELECT 1;")
    assert len(reasons) == 1
    assert said in reasons[0]


@given(
    fault=st.sampled_from([fault for fault, _ in FAULTS if "'" not in fault and "$" not in fault]),
    quotes=st.sampled_from(
        [
            "COMMENT ON TABLE t IS 'never {}'",
            "SELECT 'it''s {}'",
            "SELECT E'\\' {}'",
            "-- {}\n",
            "/* {} */ SELECT 1",
            "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $a$BEGIN\n-- {}\nEND$a$",
        ]
    ),
)
def test_what_is_only_quoted_accuses_nobody(fault: str, quotes: str) -> None:
    assert told(quotes.format(fault)) == []


def test_all_that_a_revision_says_wrong_is_told() -> None:
    reasons = told(";\n".join(fault for fault, _ in FAULTS))
    assert len(reasons) == len(FAULTS)


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedProduct:
    metadata = MetaData()
    Table("note", metadata, Column("note_id", Integer, primary_key=True))
    tmp_path.joinpath("revisions").mkdir()
    product = Product(name="notes", metadata=metadata, routes=[], revisions="revisions")
    return accept(product, root=tmp_path)


def write(loaded: LoadedProduct, number: int, code: str) -> None:
    after = f"000{number - 1}" if number > 1 else None
    written = REVISION.format(id=f"000{number}", after=after, code=code)
    loaded.revisions.joinpath(f"000{number}_it.py").write_text(written)


def test_the_faults_of_all_revisions_are_told_at_once(loaded: LoadedProduct) -> None:
    write(loaded, 1, 'op.execute("CREATE POLICY p ON note USING (true)")')
    write(loaded, 2, 'op.create_index("one", "note", ["note_id"], unique=True)')
    write(loaded, 3, 'op.execute("ANALYZE note")')
    with pytest.raises(ProductRefused, match="'notes' can't be stored safely") as refused:
        render(loaded)
    first, second = str(refused.value).splitlines()[1:]
    assert first.startswith(f"  - revision 0001: CREATE POLICY p: {ROW_SECURITY}")
    assert second.startswith("  - revision 0002: CREATE UNIQUE INDEX one ON note: it would hold")


def test_a_revision_that_asks_a_database_is_refused_with_a_sentence(loaded: LoadedProduct) -> None:
    write(loaded, 1, 'op.get_bind().exec_driver_sql("SELECT 1")')
    with pytest.raises(ProductRefused, match=r"0001_it\.py can't be spelled as SQL.*op\.get_bind"):
        render(loaded)


def test_what_a_revision_says_is_rendered_letter_by_letter(loaded: LoadedProduct) -> None:
    write(loaded, 1, "op.execute(\"COMMENT ON TABLE note IS '100 % of $1 ünï'\")")
    assert "IS '100 % of $1 ünï';" in render(loaded).sql


def test_revisions_without_one_head_are_refused(loaded: LoadedProduct) -> None:
    with pytest.raises(ProductRefused, match=r"has 0 head revisions .*stepwell revision"):
        render(loaded)
    write(loaded, 1, "pass")
    write(loaded, 2, "pass")
    loaded.revisions.joinpath("0003_it.py").write_text(
        REVISION.format(id="0003", after="0001", code="pass")
    )
    with pytest.raises(ProductRefused, match=r"2 head revisions \['0002', '0003'\].*merge them"):
        render(loaded)
