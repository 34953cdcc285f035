-- Sessions, found by the hash of their token. How credentials are read stands in credentials.sql.

-- name: open
INSERT INTO catalog.session
    (token_hash, account_id, tenant_id, expires_at, proved_at, only_tenant_id, agent, source)
VALUES ($1, $2, $3, now() + $4::interval, coalesce($5::timestamptz, now()), $6, $7, $8)
RETURNING expires_at

-- name: proved_at
SELECT proved_at FROM catalog.session WHERE token_hash = $1 AND ended_at IS NULL

-- name: list
SELECT s.id, s.token_hash, t.slug, s.created_at, s.proved_at, s.expires_at, s.agent, s.source
FROM catalog.session AS s LEFT JOIN catalog.tenant AS t ON t.id = s.tenant_id
WHERE s.account_id = $1 AND s.ended_at IS NULL AND s.expires_at > now()
ORDER BY s.created_at DESC, s.id LIMIT $2

-- name: end
UPDATE catalog.session SET ended_at = now() WHERE token_hash = $1 AND ended_at IS NULL

-- name: end_one
UPDATE catalog.session SET ended_at = now()
WHERE account_id = $1 AND id = $2 AND ended_at IS NULL RETURNING id

-- name: end_others
UPDATE catalog.session SET ended_at = now()
WHERE account_id = $1 AND token_hash <> $2 AND ended_at IS NULL

-- name: end_all
UPDATE catalog.session SET ended_at = now() WHERE account_id = $1 AND ended_at IS NULL

-- name: forget_old
DELETE FROM catalog.session WHERE expires_at < now() - interval '1 day'
