-- What one statement can leave behind on its connection; every one succeeds or is refused, and the
-- next tenant must notice none of it. $there and the others are those of one_statement.sql.

-- name: search_path
SELECT set_config('search_path', 'pg_temp,gate,pg_catalog', false)
-- name: time_zone
SELECT set_config('TimeZone', 'Asia/Kathmandu', false), set_config('DateStyle', 'German, DMY', false), set_config('IntervalStyle', 'sql_standard', false)
-- name: encoding
SELECT set_config('client_encoding', 'LATIN1', false)
-- name: numbers
SELECT set_config('extra_float_digits', '-15', false), set_config('bytea_output', 'escape', false)
-- name: timeouts
SELECT set_config('statement_timeout', '1', false)
-- name: lock_timeout
SELECT set_config('lock_timeout', '1', false)
-- name: idle_in_transaction
SELECT set_config('idle_in_transaction_session_timeout', '1', false)
-- name: idle_session
SELECT set_config('idle_session_timeout', '1', false)
-- name: read_only
SELECT set_config('default_transaction_read_only', 'on', false)
-- name: isolation
SELECT set_config('default_transaction_isolation', 'serializable', false), set_config('default_transaction_deferrable', 'on', false)
-- name: strings
SELECT set_config('standard_conforming_strings', 'off', false), set_config('backslash_quote', 'on', false)
-- name: row_security
SELECT set_config('row_security', 'off', false)
-- name: role
SELECT set_config('role', 'stepwell_login', false)
-- name: other_role
SELECT set_config('role', 'stepwell_rows', false)
-- name: stamp
SELECT set_config('gate.stamp', current_setting('gate.stamp'), false)
-- name: ids
SELECT set_config('gate.ids_artist', '{1,9000,1000}', false), set_config('gate.ids_genre', 'nonsense', false)
-- name: planner
SELECT set_config('enable_indexscan', 'off', false), set_config('plan_cache_mode', 'force_generic_plan', false), set_config('work_mem', '64', false)
-- name: constraints
SELECT set_config('check_function_bodies', 'off', false), set_config('transform_null_equals', 'on', false)
-- name: names
SELECT set_config('application_name', 'pwned', false), set_config('quote_all_identifiers', 'on', false)
-- name: locks
SELECT pg_advisory_lock($lock)
