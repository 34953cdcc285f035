-- What one tenant may have beyond its plan, or less.

-- name: give
INSERT INTO catalog.limit_override (id, tenant_id, limits, reason, made_by, expires_at)
VALUES ($1, $2, $3::text::jsonb, $4, $5, $6)
RETURNING id, tenant_id, limits::text AS limits, reason, made_by, made_at, expires_at, ended_at

-- name: list
SELECT id, tenant_id, limits::text AS limits, reason, made_by, made_at, expires_at, ended_at
FROM catalog.limit_override
WHERE tenant_id = $1 AND ($2 OR ended_at IS NULL)
ORDER BY made_at DESC, id LIMIT $3

-- name: end
UPDATE catalog.limit_override SET ended_at = now()
WHERE id = $1 AND ($2::uuid IS NULL OR tenant_id = $2) AND ended_at IS NULL
RETURNING id, tenant_id, limits::text AS limits, reason, made_by, made_at, expires_at, ended_at

-- name: end_expired
UPDATE catalog.limit_override SET ended_at = now()
WHERE ended_at IS NULL AND expires_at <= now()
RETURNING id, tenant_id, limits::text AS limits, reason, made_by, made_at, expires_at, ended_at
