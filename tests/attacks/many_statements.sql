-- Whole hostile scripts, sent as they are on the login's own connection. What a strict tenant may
-- do so with its own login, and what comes of it for the victim: nothing.

-- name: leave_and_enter_as_the_victim
COMMIT; BEGIN; SELECT set_config('gate.stamp', '$stamp', true); SELECT * FROM $there.artist
-- name: leave_and_set_the_articles_setting
ROLLBACK; SET app.tenant = '$victim'; SET app.tenant_id = '$victim'; SELECT * FROM $there.artist
-- name: replay_a_capability_at_the_beginning
ROLLBACK; BEGIN; SELECT gate.enter('$capability'); SELECT * FROM $there.artist
-- name: replay_a_capability_by_itself
COMMIT; SELECT gate.enter('$capability'), query_to_xml('SELECT * FROM $there.artist', true, false, '')
-- name: scan_without_a_tenant
ROLLBACK; SELECT * FROM $there.artist; SELECT * FROM $there.genre
-- name: write_without_a_tenant
ROLLBACK; INSERT INTO $there.artist (tenant_id, artist_id, name) VALUES ('$victim', 90010, 'pwned')
-- name: poison_a_prepared_statement
PREPARE "__asyncpg_stmt_1__" AS SELECT 'pwned'; PREPARE "__asyncpg_stmt_2__" AS SELECT 'pwned'; PREPARE "__asyncpg_stmt_3__" AS SELECT 'pwned'
-- name: shadow_a_table
CREATE TEMP TABLE artist (LIKE $here.artist); SET search_path = pg_temp, $here
-- name: shadow_a_type
CREATE DOMAIN pg_temp.text AS pg_catalog.text; CREATE DOMAIN pg_temp.uuid AS pg_catalog.uuid
-- name: make_a_function
CREATE FUNCTION $here.spy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'
-- name: make_a_function_in_public
CREATE FUNCTION public.tenant() RETURNS text LANGUAGE sql AS 'SELECT 1'; CREATE TABLE public.kept (x text)
-- name: make_a_trigger
CREATE TRIGGER spy AFTER INSERT ON $there.artist FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()
-- name: make_a_view
CREATE VIEW $here.all_of_it AS SELECT * FROM $there.artist
-- name: make_a_rule
CREATE RULE spy AS ON INSERT TO $there.artist DO ALSO NOTIFY spied
-- name: make_a_policy
CREATE POLICY everything ON $there.artist USING (true)
-- name: drop_the_policy
DROP POLICY only_own_rows ON $there.artist
-- name: switch_the_policy_off
ALTER TABLE $there.artist DISABLE ROW LEVEL SECURITY
-- name: change_the_gate
CREATE OR REPLACE FUNCTION gate.tenant() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'
-- name: change_the_gates_key
UPDATE gate.key SET id = 2; INSERT INTO gate.home SELECT * FROM gate.home; DELETE FROM gate.home
-- name: make_an_extension
CREATE EXTENSION dblink
-- name: make_a_language
CREATE EXTENSION plpython3u
-- name: become_somebody
SET ROLE stepwell_owner
-- name: become_the_gate
SET ROLE stepwell_gate
-- name: become_the_victim
SET ROLE "$login"
-- name: authorize_as_the_victim
SET SESSION AUTHORIZATION "$login"
-- name: make_a_role
CREATE ROLE pwned LOGIN; GRANT stepwell_owner TO CURRENT_USER
-- name: join_a_group
GRANT stepwell_gate TO CURRENT_USER
-- name: change_the_victims_login
ALTER ROLE "$login" PASSWORD 'pwned'
-- name: drop_what_the_victim_owns
DROP OWNED BY "$login"
-- name: drop_the_victims_table
DROP TABLE $there.artist CASCADE
-- name: drop_the_victims_schema
DROP SCHEMA $there CASCADE
-- name: empty_the_victims_table
TRUNCATE $there.artist CASCADE
-- name: grant_oneself
GRANT ALL ON ALL TABLES IN SCHEMA $there TO CURRENT_USER
-- name: copy_out
COPY $there.artist TO STDOUT
-- name: copy_a_query_out
COPY (SELECT * FROM $there.artist) TO STDOUT
-- name: copy_to_a_program
COPY (SELECT 1) TO PROGRAM 'true'
-- name: copy_from_a_file
COPY $here.artist FROM '/etc/passwd'
-- name: forget_everything
ROLLBACK; DISCARD ALL; SELECT * FROM $there.artist
-- name: reset_everything
RESET ALL; RESET ROLE; SELECT * FROM $there.artist
-- name: listen_and_tell
LISTEN spied; NOTIFY spied, 'hello'; UNLISTEN *
-- name: set_for_the_session
SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; SET row_security = off; SET statement_timeout = 0; SET search_path = gate
-- name: change_the_server
ALTER SYSTEM SET work_mem = '1MB'
-- name: change_the_database
CREATE DATABASE pwned
-- name: prepare_a_transaction
PREPARE TRANSACTION 'kept'
-- name: keep_a_cursor
DECLARE kept CURSOR WITH HOLD FOR SELECT * FROM $there.artist; COMMIT; FETCH ALL FROM kept
-- name: run_a_block
DO 'DECLARE r record; BEGIN FOR r IN SELECT * FROM $there.artist LOOP RAISE NOTICE ''%'', r; END LOOP; END'
-- name: end_all_sessions
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()
-- name: vacuum_and_analyze
ROLLBACK; ANALYZE $there.artist; VACUUM $there.artist
-- name: comment
COMMENT ON TABLE $there.artist IS 'pwned'
-- name: hold_the_victims_lock
SELECT pg_advisory_lock($lock); SELECT pg_advisory_lock_shared($lock)
