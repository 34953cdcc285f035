-- Holes that SQL makes, and behind `-- undo` how each is closed again. $names are those of the pair
-- of tenants; the administrator runs both in the victim's database.

-- name: policy_dropped
DROP POLICY only_own_rows ON $schema.book;
-- undo
CREATE POLICY only_own_rows ON $schema.book
    USING (tenant_id = (SELECT gate.tenant())) WITH CHECK (tenant_id = (SELECT gate.tenant()));

-- name: row_security_off
ALTER TABLE $schema.book DISABLE ROW LEVEL SECURITY;
-- undo
ALTER TABLE $schema.book ENABLE ROW LEVEL SECURITY;

-- name: not_forced_and_owned_by_the_login
ALTER TABLE shared.book NO FORCE ROW LEVEL SECURITY, OWNER TO stepwell_app;
-- undo
ALTER TABLE shared.book FORCE ROW LEVEL SECURITY, OWNER TO stepwell_owner;

-- name: nothing_checks_what_is_written
ALTER POLICY only_own_rows ON shared.book WITH CHECK (true);
-- undo
ALTER POLICY only_own_rows ON shared.book WITH CHECK (tenant_id = (SELECT gate.tenant()));

-- name: policy_lets_all_through
ALTER POLICY only_own_rows ON shared.book USING (true);
-- undo
ALTER POLICY only_own_rows ON shared.book USING (tenant_id = (SELECT gate.tenant()));

-- name: second_policy
CREATE POLICY everybody ON shared.shelf FOR SELECT TO stepwell_rows USING (label <> '');
-- undo
DROP POLICY everybody ON shared.shelf;

-- name: policy_believes_a_setting
ALTER POLICY only_own_rows ON shared.book USING
    (tenant_id = (SELECT nullif(current_setting('app.tenant', true), '')::uuid));
-- undo
ALTER POLICY only_own_rows ON shared.book USING (tenant_id = (SELECT gate.tenant()));

-- name: policy_believes_a_claim
ALTER POLICY only_own_rows ON shared.book USING (tenant_id = (SELECT gate.claimed()));
-- undo
ALTER POLICY only_own_rows ON shared.book USING (tenant_id = (SELECT gate.tenant()));

-- name: view_reads_as_its_owner
CREATE VIEW shared.planted AS SELECT * FROM shared.book;
GRANT SELECT ON shared.planted TO stepwell_rows;
-- undo
DROP VIEW shared.planted;

-- name: view_loses_its_invoker
ALTER VIEW shared.title RESET (security_invoker);
ALTER VIEW shared.title OWNER TO CURRENT_USER;
GRANT SELECT ON shared.title TO stepwell_rows;
-- undo
ALTER VIEW shared.title SET (security_invoker = true);
ALTER VIEW shared.title OWNER TO stepwell_owner;

-- name: materialised_view
CREATE MATERIALIZED VIEW shared.planted AS SELECT * FROM shared.book;
GRANT SELECT ON shared.planted TO stepwell_rows;
-- undo
DROP MATERIALIZED VIEW shared.planted;

-- name: table_outside_of_every_schema
CREATE SCHEMA planted;
GRANT USAGE ON SCHEMA planted TO stepwell_login;
CREATE TABLE planted.report AS SELECT * FROM shared.book;
GRANT SELECT ON planted.report TO stepwell_login;
-- undo
DROP SCHEMA planted CASCADE;

-- name: temporary_tables
GRANT TEMPORARY ON DATABASE $database TO PUBLIC;
-- undo
REVOKE TEMPORARY ON DATABASE $database FROM PUBLIC;

-- name: tables_in_the_shared_schema
GRANT CREATE ON SCHEMA shared TO stepwell_rows;
-- undo
REVOKE CREATE ON SCHEMA shared FROM stepwell_rows;

-- name: definer_function
CREATE FUNCTION shared.planted() RETURNS text LANGUAGE sql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp AS 'SELECT string_agg(title, '','') FROM shared.book';
-- undo
DROP FUNCTION shared.planted();

-- name: truncate
GRANT TRUNCATE ON ALL TABLES IN SCHEMA shared TO stepwell_rows;
-- undo
REVOKE TRUNCATE ON ALL TABLES IN SCHEMA shared FROM stepwell_rows;

-- name: unique_rule_without_the_tenant
CREATE UNIQUE INDEX planted ON shared.author (name);
-- undo
DROP INDEX shared.planted;

-- name: foreign_key_without_the_tenant
ALTER TABLE shared.book ADD CONSTRAINT planted UNIQUE (book_id);
ALTER TABLE shared.shelf DROP CONSTRAINT shelf_book_id_exists,
    ADD CONSTRAINT shelf_book_id_exists FOREIGN KEY (book_id) REFERENCES shared.book (book_id);
-- undo
ALTER TABLE shared.shelf DROP CONSTRAINT shelf_book_id_exists,
    ADD CONSTRAINT shelf_book_id_exists FOREIGN KEY (tenant_id, book_id)
        REFERENCES shared.book (tenant_id, book_id) DEFERRABLE;
ALTER TABLE shared.book DROP CONSTRAINT planted;

-- name: key_is_readable
GRANT SELECT ON gate.key TO stepwell_login;
-- undo
REVOKE SELECT ON gate.key FROM stepwell_login;

-- name: home_is_readable
GRANT SELECT ON gate.home TO stepwell_login;
-- undo
REVOKE SELECT ON gate.home FROM stepwell_login;

-- name: home_is_writable
GRANT SELECT, UPDATE ON gate.home TO stepwell_app;
-- undo
REVOKE SELECT, UPDATE ON gate.home FROM stepwell_app;

-- name: login_bypasses_row_security
ALTER ROLE stepwell_app BYPASSRLS;
-- undo
ALTER ROLE stepwell_app NOBYPASSRLS;

-- name: login_is_a_superuser
ALTER ROLE $login SUPERUSER;
-- undo
ALTER ROLE $login NOSUPERUSER;

-- name: login_is_a_member_of_the_owner
GRANT stepwell_owner TO stepwell_app;
-- undo
REVOKE stepwell_owner FROM stepwell_app;

-- name: login_is_a_member_of_the_gate
GRANT stepwell_gate TO stepwell_app;
-- undo
REVOKE stepwell_gate FROM stepwell_app;

-- name: strict_schema_is_open
GRANT USAGE ON SCHEMA $schema TO stepwell_app;
GRANT SELECT, INSERT ON $schema.book TO stepwell_app;
-- undo
REVOKE SELECT, INSERT ON $schema.book FROM stepwell_app;
REVOKE USAGE ON SCHEMA $schema FROM stepwell_app;

-- name: sequence_is_open
GRANT USAGE ON SCHEMA $schema TO stepwell_app;
GRANT USAGE, SELECT ON SEQUENCE $schema.book_book_id_seq TO stepwell_app;
-- undo
REVOKE USAGE, SELECT ON SEQUENCE $schema.book_book_id_seq FROM stepwell_app;
REVOKE USAGE ON SCHEMA $schema FROM stepwell_app;

-- name: everybody_may_connect
GRANT CONNECT ON DATABASE $database TO PUBLIC;
-- undo
REVOKE CONNECT ON DATABASE $database FROM PUBLIC;

-- name: reference_table_is_writable
GRANT SELECT, UPDATE ON reference.country TO stepwell_login;
-- undo
REVOKE UPDATE ON reference.country FROM stepwell_login;
