-- A hole for each rule, and behind `-- undo` how it is closed again. $names are filled in by
-- tests/doctor/plants.py; the administrator runs both in the database that the plant names.

-- name: row_security_enabled
ALTER TABLE shared.author DISABLE ROW LEVEL SECURITY;
-- undo
ALTER TABLE shared.author ENABLE ROW LEVEL SECURITY;

-- name: row_security_enabled_in_a_schema
ALTER TABLE $schema.book DISABLE ROW LEVEL SECURITY;
-- undo
ALTER TABLE $schema.book ENABLE ROW LEVEL SECURITY;

-- name: row_security_enabled_in_a_database
ALTER TABLE data.shelf DISABLE ROW LEVEL SECURITY;
-- undo
ALTER TABLE data.shelf ENABLE ROW LEVEL SECURITY;

-- name: row_security_forced
ALTER TABLE shared.author NO FORCE ROW LEVEL SECURITY;
-- undo
ALTER TABLE shared.author FORCE ROW LEVEL SECURITY;

-- name: policy_present
DROP POLICY only_own_rows ON shared.author;
-- undo
SELECT gate.adopt('shared', 'rows', 'stepwell_rows');

-- name: policy_form
ALTER POLICY only_own_rows ON shared.author USING (tenant_id = gate.tenant());
-- undo
ALTER POLICY only_own_rows ON shared.author USING (tenant_id = (SELECT gate.tenant()));

-- name: policy_form_without_check
DROP POLICY only_own_rows ON shared.author;
CREATE POLICY only_own_rows ON shared.author
    USING (tenant_id = (SELECT gate.tenant())) WITH CHECK (true);
-- undo
DROP POLICY only_own_rows ON shared.author;
SELECT gate.adopt('shared', 'rows', 'stepwell_rows');

-- name: policy_form_for_reading_alone
DROP POLICY only_own_rows ON shared.author;
CREATE POLICY only_own_rows ON shared.author FOR SELECT
    USING (tenant_id = (SELECT gate.tenant()));
-- undo
DROP POLICY only_own_rows ON shared.author;
SELECT gate.adopt('shared', 'rows', 'stepwell_rows');

-- name: policy_form_for_one_role
ALTER POLICY only_own_rows ON shared.author TO stepwell_app;
-- undo
ALTER POLICY only_own_rows ON shared.author TO PUBLIC;

-- name: policy_alone
CREATE POLICY everybody ON shared.author FOR SELECT USING (true);
-- undo
DROP POLICY everybody ON shared.author;

-- name: changes_captured
ALTER TABLE shared.author DISABLE TRIGGER stepwell_capture;
-- undo
ALTER TABLE shared.author ENABLE TRIGGER stepwell_capture;

-- name: changes_captured_not_at_all
DROP TRIGGER stepwell_capture ON shared.author; DROP TRIGGER stepwell_keep ON shared.author;
-- undo
SELECT gate.adopt('shared', 'rows', 'stepwell_rows');

-- name: references_deferrable
ALTER TABLE shared.book ALTER CONSTRAINT book_author_id_exists NOT DEFERRABLE;
-- undo
SELECT gate.adopt('shared', 'rows', 'stepwell_rows');

-- name: tenant_column
ALTER TABLE shared.shelf DROP CONSTRAINT shelf_key, ALTER COLUMN tenant_id DROP NOT NULL;
-- undo
ALTER TABLE shared.shelf ALTER COLUMN tenant_id SET NOT NULL,
    ADD CONSTRAINT shelf_key PRIMARY KEY (tenant_id, book_id, label);

-- name: tenant_default
ALTER TABLE shared.shelf ALTER COLUMN tenant_id DROP DEFAULT;
-- undo
ALTER TABLE shared.shelf ALTER COLUMN tenant_id SET DEFAULT gate.claimed();

-- name: primary_key
ALTER TABLE shared.shelf DROP CONSTRAINT shelf_key,
    ADD CONSTRAINT shelf_key PRIMARY KEY (book_id, label, tenant_id);
-- undo
ALTER TABLE shared.shelf DROP CONSTRAINT shelf_key,
    ADD CONSTRAINT shelf_key PRIMARY KEY (tenant_id, book_id, label);

-- name: primary_key_is_missing
ALTER TABLE shared.shelf DROP CONSTRAINT shelf_key;
-- undo
ALTER TABLE shared.shelf ADD CONSTRAINT shelf_key PRIMARY KEY (tenant_id, book_id, label);

-- name: unique_rules
CREATE UNIQUE INDEX planted ON shared.book (title, tenant_id);
-- undo
DROP INDEX shared.planted;

-- name: index_order
CREATE INDEX planted ON shared.book (title);
-- undo
DROP INDEX shared.planted;

-- name: foreign_keys
CREATE SCHEMA planted;
CREATE TABLE planted.target (id integer PRIMARY KEY);
ALTER TABLE shared.book ADD CONSTRAINT planted
    FOREIGN KEY (author_id) REFERENCES planted.target (id) DEFERRABLE NOT VALID;
-- undo
DROP SCHEMA planted CASCADE;

-- name: foreign_keys_with_the_tenant_in_the_wrong_place
ALTER TABLE $schema.author ADD COLUMN planted uuid,
    ADD CONSTRAINT planted UNIQUE (tenant_id, author_id, planted);
ALTER TABLE $schema.book ADD COLUMN planted uuid,
    ADD CONSTRAINT planted FOREIGN KEY (planted, author_id, tenant_id)
        REFERENCES $schema.author (tenant_id, author_id, planted) DEFERRABLE;
-- undo
ALTER TABLE $schema.book DROP COLUMN planted;
ALTER TABLE $schema.author DROP COLUMN planted;

-- name: materialised_views
CREATE MATERIALIZED VIEW shared.planted AS SELECT * FROM shared.book;
ALTER MATERIALIZED VIEW shared.planted OWNER TO stepwell_owner;
-- undo
DROP MATERIALIZED VIEW shared.planted;

-- name: foreign_tables
CREATE FOREIGN DATA WRAPPER planted;
CREATE SERVER planted FOREIGN DATA WRAPPER planted;
CREATE FOREIGN TABLE shared.planted (id integer) SERVER planted;
ALTER FOREIGN TABLE shared.planted OWNER TO stepwell_owner;
-- undo
DROP FOREIGN DATA WRAPPER planted CASCADE;

-- name: view_invoker
ALTER VIEW shared.title RESET (security_invoker);
-- undo
ALTER VIEW shared.title SET (security_invoker = true);

-- name: view_invoker_is_off
ALTER VIEW shared.title SET (security_invoker = off);
-- undo
ALTER VIEW shared.title SET (security_invoker = true);

-- name: table_rules
CREATE RULE planted AS ON DELETE TO shared.shelf DO ALSO SELECT 1;
-- undo
DROP RULE planted ON shared.shelf;

-- name: table_owner
ALTER TABLE shared.shelf OWNER TO stepwell_gate;
-- undo
ALTER TABLE shared.shelf OWNER TO stepwell_owner;

-- name: table_owner_of_a_schema
ALTER SCHEMA $schema OWNER TO stepwell_gate;
-- undo
ALTER SCHEMA $schema OWNER TO stepwell_owner;

-- name: trigger_functions
CREATE SCHEMA planted;
CREATE FUNCTION planted.copy() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER planted BEFORE INSERT ON shared.shelf
    FOR EACH ROW EXECUTE FUNCTION planted.copy();
-- undo
DROP SCHEMA planted CASCADE;

-- name: table_grants
GRANT TRUNCATE ON shared.book TO stepwell_rows;
-- undo
REVOKE TRUNCATE ON shared.book FROM stepwell_rows;

-- name: table_grants_on_a_column
GRANT REFERENCES (book_id) ON shared.book TO stepwell_login;
-- undo
REVOKE REFERENCES (book_id) ON shared.book FROM stepwell_login;

-- name: table_grants_to_a_stranger
GRANT SELECT ON $strict_schema.book TO stepwell_app;
-- undo
REVOKE SELECT ON $strict_schema.book FROM stepwell_app;

-- name: table_grants_to_everybody
GRANT SELECT ON data.book TO PUBLIC;
-- undo
REVOKE SELECT ON data.book FROM PUBLIC;

-- name: sequence_grants
GRANT USAGE ON SEQUENCE $schema.book_book_id_seq TO stepwell_app;
-- undo
REVOKE USAGE ON SEQUENCE $schema.book_book_id_seq FROM stepwell_app;

-- name: default_privileges
ALTER DEFAULT PRIVILEGES FOR ROLE stepwell_owner IN SCHEMA shared
    GRANT SELECT ON TABLES TO stepwell_rows;
-- undo
ALTER DEFAULT PRIVILEGES FOR ROLE stepwell_owner IN SCHEMA shared
    REVOKE SELECT ON TABLES FROM stepwell_rows;

-- name: database_connect
GRANT CONNECT ON DATABASE $shared TO PUBLIC;
-- undo
REVOKE CONNECT ON DATABASE $shared FROM PUBLIC;

-- name: database_logins
GRANT CONNECT ON DATABASE $dedicated TO stepwell_app;
-- undo
REVOKE CONNECT ON DATABASE $dedicated FROM stepwell_app;

-- name: database_temp
GRANT TEMPORARY ON DATABASE $shared TO stepwell_login;
-- undo
REVOKE TEMPORARY ON DATABASE $shared FROM stepwell_login;

-- name: database_temp_create
GRANT CREATE ON DATABASE $dedicated TO $dedicated_login;
-- undo
REVOKE CREATE ON DATABASE $dedicated FROM $dedicated_login;

-- name: schema_create
GRANT CREATE ON SCHEMA shared TO stepwell_rows;
-- undo
REVOKE CREATE ON SCHEMA shared FROM stepwell_rows;

-- name: schema_usage
GRANT USAGE ON SCHEMA $strict_schema TO stepwell_app;
-- undo
REVOKE USAGE ON SCHEMA $strict_schema FROM stepwell_app;

-- name: public_schema
GRANT USAGE ON SCHEMA public TO PUBLIC;
-- undo
REVOKE USAGE ON SCHEMA public FROM PUBLIC;

-- name: stray_relations
CREATE SCHEMA planted;
GRANT USAGE ON SCHEMA planted TO stepwell_login;
CREATE TABLE planted.everything (id integer);
GRANT SELECT ON planted.everything TO stepwell_login;
-- undo
DROP SCHEMA planted CASCADE;

-- name: reference_grants
GRANT UPDATE ON reference.country TO stepwell_login;
-- undo
REVOKE UPDATE ON reference.country FROM stepwell_login;

-- name: reference_grants_on_a_column
GRANT UPDATE (name) ON reference.country TO PUBLIC;
-- undo
REVOKE UPDATE (name) ON reference.country FROM PUBLIC;

-- name: definer_functions
CREATE SCHEMA planted;
GRANT USAGE ON SCHEMA planted TO stepwell_login;
CREATE FUNCTION planted.peek() RETURNS bigint LANGUAGE sql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT count(*) FROM shared.book';
-- undo
DROP SCHEMA planted CASCADE;

-- name: definer_search_path
ALTER FUNCTION gate.next_id(text) RESET search_path;
-- undo
ALTER FUNCTION gate.next_id(text) SET search_path = pg_catalog, pg_temp;

-- name: definer_search_path_with_temp_first
ALTER FUNCTION gate.next_id(text) SET search_path = pg_catalog;
-- undo
ALTER FUNCTION gate.next_id(text) SET search_path = pg_catalog, pg_temp;

-- name: gate_functions
CREATE OR REPLACE FUNCTION gate.claimed() RETURNS uuid LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN nullif(current_setting('app.tenant', true), '')::uuid;
-- undo
CREATE OR REPLACE FUNCTION gate.claimed() RETURNS uuid LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN nullif(left(current_setting('gate.stamp', true), 36), '')::uuid;

-- name: gate_functions_one_too_many
CREATE FUNCTION gate.planted() RETURNS integer LANGUAGE sql AS 'SELECT 1';
-- undo
DROP FUNCTION gate.planted();

-- name: gate_functions_one_is_missing
ALTER FUNCTION gate.adopt(text, text, name) RENAME TO adopted;
-- undo
ALTER FUNCTION gate.adopted(text, text, name) RENAME TO adopt;

-- name: gate_functions_with_another_owner
ALTER FUNCTION gate.tenant() OWNER TO stepwell_owner;
-- undo
ALTER FUNCTION gate.tenant() OWNER TO stepwell_gate;

-- name: gate_execute
GRANT EXECUTE ON FUNCTION gate.adopt(text, text, name) TO PUBLIC;
-- undo
REVOKE EXECUTE ON FUNCTION gate.adopt(text, text, name) FROM PUBLIC;

-- name: gate_secret
GRANT SELECT ON gate.key TO stepwell_login;
-- undo
REVOKE SELECT ON gate.key FROM stepwell_login;

-- name: gate_secret_by_its_column
GRANT SELECT (inner_pad) ON gate.key TO stepwell_owner;
-- undo
REVOKE SELECT (inner_pad) ON gate.key FROM stepwell_owner;

-- name: gate_key_foreign
INSERT INTO gate.key VALUES (666, decode(repeat('00', 64), 'hex'), decode(repeat('00', 64), 'hex'));
-- undo
DELETE FROM gate.key WHERE id = 666;

-- name: gate_grants
GRANT UPDATE ON gate.home TO $strict_login;
-- undo
REVOKE UPDATE ON gate.home FROM $strict_login;

-- name: home_place
INSERT INTO gate.home VALUES
    ('00000000-0000-0000-0000-000000000001', 'active', 1, 's_gone', 'stepwell_app', '{}');
-- undo
DELETE FROM gate.home WHERE schema_name = 's_gone';

-- name: session_functions
GRANT EXECUTE ON FUNCTION pg_cancel_backend(integer) TO PUBLIC;
-- undo
REVOKE EXECUTE ON FUNCTION pg_cancel_backend(integer) FROM PUBLIC;

-- name: event_triggers
CREATE FUNCTION public.planted() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
CREATE EVENT TRIGGER planted ON ddl_command_end EXECUTE FUNCTION public.planted();
-- undo
DROP EVENT TRIGGER planted;
DROP FUNCTION public.planted();

-- name: powerful_extensions
CREATE SCHEMA planted;
GRANT USAGE ON SCHEMA planted TO stepwell_login;
CREATE EXTENSION dblink SCHEMA planted;
-- undo
DROP SCHEMA planted CASCADE;

-- name: powerful_extensions_as_a_server
CREATE EXTENSION postgres_fdw;
CREATE SERVER planted FOREIGN DATA WRAPPER postgres_fdw;
GRANT USAGE ON FOREIGN SERVER planted TO stepwell_rows;
-- undo
DROP EXTENSION postgres_fdw CASCADE;

-- name: password_encryption
ALTER ROLE CURRENT_USER SET password_encryption = 'md5';
-- undo
ALTER ROLE CURRENT_USER RESET password_encryption;

-- name: role_flags
ALTER ROLE stepwell_app BYPASSRLS CREATEDB;
-- undo
ALTER ROLE stepwell_app NOBYPASSRLS NOCREATEDB;

-- name: role_flags_of_a_tenant
ALTER ROLE $strict_login SUPERUSER;
-- undo
ALTER ROLE $strict_login NOSUPERUSER;

-- name: role_flags_of_a_group
ALTER ROLE stepwell_owner LOGIN;
-- undo
ALTER ROLE stepwell_owner NOLOGIN;

-- name: role_membership
GRANT stepwell_owner TO stepwell_app;
-- undo
REVOKE stepwell_owner FROM stepwell_app;

-- name: role_membership_in_a_role_of_the_server
GRANT pg_read_all_data TO $strict_login;
-- undo
REVOKE pg_read_all_data FROM $strict_login;

-- name: role_membership_of_a_group
GRANT pg_monitor TO stepwell_login;
-- undo
REVOKE pg_monitor FROM stepwell_login;

-- name: role_membership_of_a_stranger
CREATE ROLE planted LOGIN;
GRANT stepwell_gate TO planted;
-- undo
DROP ROLE planted;

-- name: login_owns_nothing
CREATE SCHEMA planted AUTHORIZATION stepwell_app;
-- undo
DROP SCHEMA planted;

-- name: login_owns_nothing_large
ALTER LARGE OBJECT $large OWNER TO stepwell_app;
-- undo
ALTER LARGE OBJECT $large OWNER TO CURRENT_USER;

-- name: stuck_settings
ALTER ROLE $strict_login SET statement_timeout = '1ms';
-- undo
ALTER ROLE $strict_login RESET statement_timeout;

-- name: stuck_protection
ALTER ROLE stepwell_app SET row_security = off;
-- undo
ALTER ROLE stepwell_app RESET row_security;

-- name: stuck_protection_of_a_database
ALTER DATABASE $shared SET session_replication_role = 'replica';
-- undo
ALTER DATABASE $shared RESET session_replication_role;

-- name: parameter_grants
GRANT SET ON PARAMETER session_replication_role TO stepwell_rows;
-- undo
REVOKE SET ON PARAMETER session_replication_role FROM stepwell_rows;
