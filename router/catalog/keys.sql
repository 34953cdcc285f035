-- name: issue
INSERT INTO catalog.api_key (id, tenant_id, name, role, secret_hash, created_by)
VALUES ($1, $2, $3, $4, $5, $6)
RETURNING id, tenant_id, name, role, created_by, created_at, last_used_at, revoked_at,
    (SELECT email FROM catalog.account WHERE id = $6) AS made_by

-- name: count
SELECT count(*) FROM catalog.api_key WHERE tenant_id = $1 AND revoked_at IS NULL

-- name: list
SELECT id, tenant_id, name, role, created_by, created_at, last_used_at, revoked_at
FROM catalog.api_key WHERE tenant_id = $1 ORDER BY created_at, id

-- name: revoke
UPDATE catalog.api_key SET revoked_at = coalesce(revoked_at, now())
WHERE tenant_id = $1 AND id = $2 RETURNING id

-- name: note_used
UPDATE catalog.api_key SET last_used_at = now()
WHERE id = ANY($1::text[]) AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
