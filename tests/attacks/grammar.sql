-- A grammar of hostile SQL. Each line below a name is one way to write it; $name stands for another
-- rule or for a word of the scene, $q_name for it as a literal, $learned for something heard
-- before. The first way of a rule must end: it is taken where the nesting has become too deep.

-- name: one
$select
$select
$select_behind
$insert
$update
$delete
$merge
-- name: whole
$one
$prepare
$setting
$cursor
$temporary
$turn
$block
$grab
-- name: select
SELECT $expression
SELECT $expression, $expression
SELECT $expression, $expression, $expression
-- name: select_behind
WITH first AS MATERIALIZED (SELECT $expression) SELECT t.*, $expression FROM first, LATERAL (SELECT * FROM $relation) AS t
-- name: insert
INSERT INTO $any.genre (genre_id, name) VALUES ($number, $text) $conflict
INSERT INTO $any.artist (tenant_id, artist_id, name) VALUES ('$victim', $number, $text) RETURNING *
INSERT INTO $any.artist (name) SELECT $text RETURNING *
INSERT INTO $any.artist SELECT * FROM $any.artist
-- name: conflict
RETURNING *
ON CONFLICT DO NOTHING
ON CONFLICT (tenant_id, name) DO UPDATE SET name = excluded.name RETURNING *
-- name: update
UPDATE $any.artist SET name = $text $condition RETURNING *
UPDATE $any.artist SET name = $expression $condition RETURNING *
UPDATE $any.artist SET tenant_id = ($text)::uuid $condition RETURNING *
-- name: delete
DELETE FROM $any.genre $condition RETURNING *
-- name: merge
MERGE INTO $any.artist AS t USING $any.artist AS s ON t.artist_id = s.artist_id WHEN MATCHED AND $truth THEN DELETE
MERGE INTO $any.artist AS t USING $any.artist AS s ON t.artist_id = s.artist_id WHEN MATCHED AND $truth THEN UPDATE SET name = s.name
-- name: expression
$text
gate.tenant()
current_setting('gate.stamp', true)
set_config('$guc', $text, true)
set_config('$guc', $text, false)
set_config('gate.stamp', '$learned', true)
set_config('gate.stamp', '$victim' || substr(current_setting('gate.stamp', true), 37), true)
set_config('app.tenant', '$victim', true)
gate.enter($text)
gate.next_id($text)
gate.continue_ids('$table', $text)
(SELECT string_agg(x::text, ' ') FROM $relation AS x $condition)
(SELECT string_agg(x::text, ' ') FROM $relation AS x)
(SELECT string_agg(x::text, ' ') FROM $any.artist AS x)
(SELECT string_agg(x::text, ' ') FROM $any.artist AS x)
pg_try_advisory_lock($lock)
pg_terminate_backend($number)
lo_from_bytea(0, 'kept')
(SELECT string_agg(word, ' ') FROM ts_stat($q_words))
query_to_xml($q_query, true, false, '')
coalesce(($expression)::text, ($expression)::text)
CASE WHEN $truth THEN ($expression)::text END
-- name: words
SELECT to_tsvector('simple', x::text) FROM $relation AS x
SELECT to_tsvector('simple', ($expression)::text)
-- name: query
SELECT * FROM $relation
SELECT $expression
-- name: text
'$learned'
'$learned'
substr(current_setting('gate.stamp', true), 37)
'$victim' || substr(current_setting('gate.stamp', true), 37)
'$there_bare'
'stepwell_owner'
'stepwell_rows'
'off'
'1'
''
NULL
-- name: truth
true
tenant_id = '$victim'
1 / (length(name) - length(name)) = 1
name::integer = 1
($expression) IS NOT NULL
-- name: condition
WHERE true
WHERE tenant_id = '$victim'
WHERE $truth
-- name: any
$there
$there
$here
-- name: table
artist
artist
genre
album
track
employee
-- name: relation
$any.$table
$any.artist
gate.key
gate.home
gate.counter
pg_stat_activity
pg_locks
pg_prepared_statements
pg_cursors
pg_settings
pg_proc
pg_stats
pg_sequences
pg_class
-- name: guc
gate.stamp
gate.stamp
gate.ids_artist
app.tenant
app.tenant_id
search_path
role
session_authorization
row_security
statement_timeout
client_encoding
TimeZone
default_transaction_read_only
standard_conforming_strings
plan_cache_mode
session_replication_role
-- name: prepare
PREPARE "__asyncpg_stmt_$number__" AS $select
DEALLOCATE "__asyncpg_stmt_$number__"
EXECUTE "__asyncpg_stmt_$number__"
-- name: setting
SET $guc = '$learned'
SET LOCAL $guc = '$learned'
SET ROLE stepwell_owner
SET ROLE stepwell_rows
SET ROLE "$login"
SET SESSION AUTHORIZATION "$login"
RESET ALL
DISCARD PLANS
-- name: cursor
DECLARE kept CURSOR WITH HOLD FOR SELECT * FROM $relation
FETCH ALL FROM kept
CLOSE ALL
-- name: temporary
CREATE TEMP TABLE $table AS SELECT * FROM $relation
CREATE DOMAIN pg_temp.text AS pg_catalog.text
CREATE FUNCTION pg_temp.tenant() RETURNS uuid LANGUAGE sql AS 'SELECT NULL::uuid'
-- name: turn
COMMIT
ROLLBACK
BEGIN
COMMIT AND CHAIN
SAVEPOINT s
ROLLBACK TO s
-- name: block
DO $q_body
-- name: body
BEGIN PERFORM $expression; RAISE NOTICE '%', (SELECT string_agg(x::text, ' ') FROM $relation AS x); END
-- name: grab
TRUNCATE $any.artist
ALTER TABLE $any.artist DISABLE ROW LEVEL SECURITY
DROP POLICY only_own_rows ON $any.artist
GRANT ALL ON $any.artist TO PUBLIC
COPY $any.artist TO STDOUT
CREATE VIEW $any.spying AS SELECT * FROM $any.artist
LISTEN spied
