-- What of a tenant is still in a database.

-- name: tables
SELECT n.nspname AS schema_name, c.relname AS table_name
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('gate', 'reference')
    AND n.nspname NOT LIKE 'pg\_%'
    AND EXISTS (SELECT FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)

-- name: schemas
SELECT nspname FROM pg_namespace WHERE nspname = ANY($1::text[])

-- name: revisions
SELECT schema_name FROM gate.revision WHERE schema_name = ANY($1::text[])

-- name: logins
SELECT rolname FROM pg_roles WHERE rolname = ANY($1::text[])

-- name: databases
SELECT datname FROM pg_database WHERE datname = ANY($1::text[])

-- name: home
SELECT state, epoch, schema_name, login, place::text AS place, capture, delay_ms
FROM gate.home WHERE tenant_id = $1

-- name: backends
SELECT application_name FROM pg_stat_activity
WHERE datname = current_database() AND application_name LIKE 'stepwell move %'

-- name: databases_of_moves
SELECT p.place ->> 'database' AS name
FROM catalog.move AS m CROSS JOIN LATERAL (VALUES (m.source), (m.target)) AS p(place)
WHERE p.place ->> 'tier' = 'database'
