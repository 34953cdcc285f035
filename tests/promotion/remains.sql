-- What a database still holds of moves that ended; it holds one tenant at most.

-- name: homes
SELECT state, capture, delay_ms, schema_name FROM gate.home

-- name: moves
SELECT move_id, token FROM gate.move

-- name: changes
SELECT count(*) FROM gate.change

-- name: counters
SELECT count(*) FROM gate.counter

-- name: schemas
SELECT nspname FROM pg_namespace WHERE nspname ~ '^[sm]_'

-- name: rows
SELECT count(*) FROM shared.artist

-- name: made
-- The databases and logins that moves of this tenant made anywhere.
SELECT DISTINCT p.place ->> 'cluster' AS cluster, p.place ->> 'database' AS database,
    p.place ->> 'login' AS login, p.place ->> 'tier' AS tier
FROM catalog.move AS m CROSS JOIN LATERAL (VALUES (m.source), (m.target)) AS p (place)
WHERE m.tenant_id = $1

-- name: is_there
SELECT datname FROM pg_database WHERE datname = $1
UNION ALL
SELECT rolname FROM pg_roles WHERE rolname = $2
