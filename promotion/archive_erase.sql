-- Where a tenant could have left something in a database that it shared.

-- name: schema_is_there
SELECT 1 FROM pg_namespace WHERE nspname = $1

-- name: traces
SELECT 'gate.home' AS name FROM gate.home WHERE tenant_id = $1
UNION
SELECT 'gate.change' FROM gate.change WHERE tenant_id = $1
UNION
SELECT 'gate.move' FROM gate.move WHERE tenant_id = $1
UNION
SELECT 'gate.counter' FROM gate.counter WHERE tenant_id = $1
