-- name: write
INSERT INTO catalog.audit (tenant_id, actor, action, target, reason, detail, request_id)
VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7)

-- name: list
SELECT id, at, tenant_id, actor, action, target, reason, detail, request_id
FROM catalog.audit
WHERE ($1::uuid IS NULL OR tenant_id = $1) AND ($2::bigint IS NULL OR id < $2)
    AND (NOT $4 OR actor LIKE 'staff:%' OR actor LIKE 'operator:%' OR action LIKE 'access.%')
ORDER BY id DESC LIMIT $3
