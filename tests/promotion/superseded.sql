-- A younger mover takes over in the midst of an older one's work, and what is there at that moment.

-- name: claim
-- As a runner does it whose predecessor gave no sign of life; the next one may follow at once.
UPDATE catalog.operation SET fencing_token = fencing_token + 1, lease_owner = 'younger',
    lease_until = now() - interval '1 second'
WHERE id = $1

-- name: take_over
-- Without ending the older one's sessions: its token alone must keep it from writing.
UPDATE gate.move SET token = token + 1 WHERE move_id = $1

-- name: catalog
SELECT o.id, o.kind, o.state, o.step, o.data::text, o.fencing_token, o.error,
    (SELECT count(*) FROM catalog.operation_log AS l WHERE l.operation_id = o.id) AS lines
FROM catalog.operation AS o WHERE o.tenant_id = $1 ORDER BY o.id

-- name: moves
SELECT id, decided_at, undone_at, settled_at, ended_at, rows_copied
FROM catalog.move WHERE tenant_id = $1 ORDER BY id

-- name: placement
SELECT cluster, database, schema_name, epoch FROM catalog.placement WHERE tenant_id = $1

-- name: homes
SELECT state, epoch, schema_name, place::text, capture, delay_ms FROM gate.home WHERE tenant_id = $1

-- name: progress
-- One that enlisted itself again, after the end, has written nothing.
SELECT move_id, token, data::text FROM gate.move WHERE tenant_id = $1 AND data <> '{}'
ORDER BY move_id

-- name: changes
SELECT count(*) FROM gate.change WHERE tenant_id = $1

-- name: counters
SELECT table_name, value FROM gate.counter WHERE tenant_id = $1 ORDER BY table_name

-- name: tables
SELECT n.nspname, c.relname
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND (n.nspname = 'shared' OR n.nspname ~ '^[sm]_')
ORDER BY 1, 2
