-- Sessions, found by the hash of their token. How credentials are read stands in credentials.sql.

-- name: open
INSERT INTO catalog.session (token_hash, account_id, tenant_id, expires_at)
VALUES ($1, $2, $3, now() + $4::interval) RETURNING expires_at

-- name: end
UPDATE catalog.session SET ended_at = now() WHERE token_hash = $1 AND ended_at IS NULL

-- name: end_all
UPDATE catalog.session SET ended_at = now() WHERE account_id = $1 AND ended_at IS NULL

-- name: forget_old
DELETE FROM catalog.session WHERE expires_at < now() - interval '1 day'
