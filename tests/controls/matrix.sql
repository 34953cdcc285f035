-- What one tenant tries on another's rows; $$1 and $$2 are values, $place and $name are filled in.

-- name: count
SELECT count(*) FROM $place WHERE tenant_id <> $$1

-- name: last_row
SELECT * FROM $place WHERE tenant_id = $$1 ORDER BY $name LIMIT 1

-- name: update
UPDATE $place SET tenant_id = tenant_id WHERE tenant_id = $$1 RETURNING 1

-- name: delete
DELETE FROM $place WHERE tenant_id = $$1 RETURNING 1

-- name: move
UPDATE $place SET tenant_id = $$1 WHERE tenant_id = $$2 RETURNING 1

-- name: truncate
TRUNCATE $place CASCADE

-- name: disable
ALTER TABLE $place DISABLE ROW LEVEL SECURITY

-- name: insert
INSERT INTO $place ($name) SELECT (jsonb_populate_record(NULL::$place, $$1::jsonb)).*
ON CONFLICT DO NOTHING RETURNING 1

-- name: read
SELECT t::text FROM $place AS t

-- name: last_value
SELECT last_value FROM $place

-- name: next_value
SELECT nextval('$place')

-- name: call
SELECT $place()::text

-- name: change_reference
UPDATE $place SET $name = $name

-- name: delete_reference
DELETE FROM $place

-- name: relations
SELECT format('%I.%I', n.nspname, c.relname) AS name
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname <> ALL ($$1::text[])
    AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'

-- name: sequences
SELECT format('%I.%I', n.nspname, c.relname) AS name
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'S'

-- name: functions
SELECT format('%I.%I', n.nspname, p.proname) AS name
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE p.pronargs = 0 AND p.prokind = 'f'
    AND n.nspname NOT IN ('gate', 'information_schema') AND n.nspname !~ '^pg_'
