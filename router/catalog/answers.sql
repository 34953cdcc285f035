-- name: claim
INSERT INTO catalog.answer AS a (actor, key, fingerprint) VALUES ($1, $2, $3)
ON CONFLICT (actor, key) DO UPDATE SET created_at = now()
WHERE a.status IS NULL AND a.fingerprint = $3 AND a.created_at < now() - $4::interval
RETURNING key

-- name: find
SELECT fingerprint, status, body_sealed FROM catalog.answer WHERE actor = $1 AND key = $2

-- name: keep
UPDATE catalog.answer SET status = $3, body_sealed = $4 WHERE actor = $1 AND key = $2

-- name: release
DELETE FROM catalog.answer WHERE actor = $1 AND key = $2 AND status IS NULL

-- name: forget_old
DELETE FROM catalog.answer WHERE created_at < now() - $1::interval
