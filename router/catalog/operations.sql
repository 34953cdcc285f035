-- Operations. Every write of a runner names its fencing token, so that one which was stopped for
-- an hour and goes on writes nothing.

-- name: begin
INSERT INTO catalog.operation (id, kind, tenant_id, cluster, data, idempotency_key, not_before)
VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, now() + $7::interval)
ON CONFLICT (idempotency_key) DO NOTHING
RETURNING *

-- name: find_by_key
SELECT * FROM catalog.operation WHERE idempotency_key = $1

-- name: find
SELECT * FROM catalog.operation WHERE id = $1

-- name: list
SELECT * FROM catalog.operation
WHERE ($1::text IS NULL OR kind = $1) AND ($2::uuid IS NULL OR tenant_id = $2)
    AND ($3::text IS NULL OR state = $3)
    AND ($4::uuid IS NULL OR (created_at, id) <
        (SELECT b.created_at, b.id FROM catalog.operation AS b WHERE b.id = $4))
ORDER BY created_at DESC, id DESC LIMIT $5

-- name: claim_next
UPDATE catalog.operation SET state = 'running', lease_owner = $1, lease_until = now() + $2::interval,
    fencing_token = fencing_token + 1, attempts = attempts + 1,
    started_at = coalesce(started_at, now())
WHERE id = (
    SELECT id FROM catalog.operation
    WHERE kind = ANY($3::text[]) AND not_before <= now()
        AND (state = 'waiting' OR (state = 'running' AND lease_until < now()))
    ORDER BY not_before, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING *

-- name: claim
UPDATE catalog.operation SET state = 'running', lease_owner = $1, lease_until = now() + $2::interval,
    fencing_token = fencing_token + 1, attempts = attempts + 1,
    started_at = coalesce(started_at, now())
WHERE id = $3 AND (state = 'waiting' OR (state = 'running' AND lease_until < now()))
RETURNING *

-- name: extend
UPDATE catalog.operation SET lease_until = now() + $3::interval
WHERE id = $1 AND fencing_token = $2 AND state = 'running' RETURNING id

-- name: advance
WITH advanced AS (
    UPDATE catalog.operation SET step = $3, data = coalesce($5::text::jsonb, data)
    WHERE id = $1 AND fencing_token = $2 AND state = 'running' RETURNING *
), logged AS (
    INSERT INTO catalog.operation_log (operation_id, position, step, note)
    SELECT a.id, 1 + (SELECT coalesce(max(position), 0) FROM catalog.operation_log
        WHERE operation_id = a.id), a.step, $4
    FROM advanced AS a
)
SELECT * FROM advanced

-- name: finish
WITH finished AS (
    UPDATE catalog.operation SET state = 'done', error = NULL, finished_at = now(),
        lease_owner = NULL, lease_until = NULL
    WHERE id = $1 AND fencing_token = $2 AND state = 'running' RETURNING *
), logged AS (
    INSERT INTO catalog.operation_log (operation_id, position, step, note)
    SELECT f.id, 1 + (SELECT coalesce(max(position), 0) FROM catalog.operation_log
        WHERE operation_id = f.id), f.step, 'done'
    FROM finished AS f
)
SELECT * FROM finished

-- name: fail
WITH failed AS (
    UPDATE catalog.operation SET error = $3, lease_owner = NULL, lease_until = NULL,
        state = CASE WHEN $4::interval IS NULL THEN 'failed' ELSE 'waiting' END,
        not_before = now() + coalesce($4, interval '0'),
        finished_at = CASE WHEN $4 IS NULL THEN now() END
    WHERE id = $1 AND fencing_token = $2 AND state = 'running' RETURNING *
), logged AS (
    INSERT INTO catalog.operation_log (operation_id, position, step, note)
    SELECT f.id, 1 + (SELECT coalesce(max(position), 0) FROM catalog.operation_log
        WHERE operation_id = f.id), f.step, $3
    FROM failed AS f
)
SELECT * FROM failed

-- name: give_up
WITH given_up AS (
    UPDATE catalog.operation SET state = 'cancelled', error = $3, finished_at = now(),
        lease_owner = NULL, lease_until = NULL
    WHERE id = $1 AND fencing_token = $2 AND state = 'running' RETURNING *
), logged AS (
    INSERT INTO catalog.operation_log (operation_id, position, step, note)
    SELECT g.id, 1 + (SELECT coalesce(max(position), 0) FROM catalog.operation_log
        WHERE operation_id = g.id), g.step, $3
    FROM given_up AS g
)
SELECT * FROM given_up

-- name: release
UPDATE catalog.operation SET state = 'waiting',
    attempts = CASE WHEN $4::boolean THEN 0 ELSE greatest(attempts - 1, 0) END,
    not_before = now() + $3::interval, lease_owner = NULL, lease_until = NULL
WHERE id = $1 AND fencing_token = $2 AND state = 'running'

-- name: retry
UPDATE catalog.operation SET state = 'waiting', attempts = 0, not_before = now(), error = NULL,
    finished_at = NULL
WHERE id = $1 AND state = 'failed' RETURNING *

-- name: cancel
UPDATE catalog.operation SET state = 'cancelled', finished_at = now()
WHERE id = $1 AND state = 'waiting' RETURNING *

-- name: log
SELECT position, at, step, note FROM catalog.operation_log WHERE operation_id = $1
ORDER BY position
