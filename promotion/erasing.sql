-- What is left of a tenant in a database, and how it goes. {braces} are quoted names.

-- name: database_is_there
SELECT 1 FROM pg_database WHERE datname = $1

-- name: schema_is_there
SELECT 1 FROM pg_namespace WHERE nspname = $1

-- name: living_in
SELECT schema_name FROM gate.home WHERE tenant_id = $1 AND state = 'active'

-- name: erase_batch
DELETE FROM {place} WHERE {tenant} = $1 AND ctid = ANY (ARRAY(
    SELECT b.ctid FROM {place} AS b WHERE b.{tenant} = $1 LIMIT $2
))

-- name: forget_counters
DELETE FROM gate.counter WHERE tenant_id = $1

-- name: forget_moves
DELETE FROM gate.move WHERE tenant_id = $1

-- name: forget_home
DELETE FROM gate.home WHERE tenant_id = $1 AND state <> 'active'
