-- Work that failed, and all other work, for operators.

-- name: list
SELECT o.id, o.kind, o.tenant_id, t.slug, o.state, o.step, o.attempts, o.error, o.created_at,
    o.started_at, o.finished_at, o.not_before
FROM catalog.operation AS o LEFT JOIN catalog.tenant AS t ON t.id = o.tenant_id
WHERE ($1::text IS NULL OR o.kind = $1) AND ($2::uuid IS NULL OR o.tenant_id = $2)
    AND ($3::text IS NULL OR o.state = $3)
    AND ($4::uuid IS NULL OR (o.created_at, o.id) <
        (SELECT b.created_at, b.id FROM catalog.operation AS b WHERE b.id = $4))
ORDER BY o.created_at DESC, o.id DESC LIMIT $5

-- name: failing
-- The first two conditions are those of the index operation_that_failed.
SELECT o.id, o.kind, o.tenant_id, t.slug, o.state, o.step, o.attempts, o.error, o.created_at,
    o.started_at, o.finished_at, o.not_before
FROM catalog.operation AS o LEFT JOIN catalog.tenant AS t ON t.id = o.tenant_id
WHERE o.error IS NOT NULL AND o.state IN ('waiting', 'running', 'failed')
    AND ($1::text IS NULL OR o.kind = $1) AND ($2::uuid IS NULL OR o.tenant_id = $2)
    AND ($3::text IS NULL OR o.state = $3)
    AND ($4::uuid IS NULL OR (o.created_at, o.id) <
        (SELECT b.created_at, b.id FROM catalog.operation AS b WHERE b.id = $4))
ORDER BY o.created_at DESC, o.id DESC LIMIT $5

-- name: lock
SELECT FROM catalog.operation WHERE id = $1 FOR NO KEY UPDATE

-- name: hurry
UPDATE catalog.operation SET not_before = now() WHERE id = $1 AND state = 'waiting'
