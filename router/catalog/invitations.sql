-- name: withdraw_open
DELETE FROM catalog.invitation WHERE tenant_id = $1 AND email = $2 AND accepted_at IS NULL

-- name: create
INSERT INTO catalog.invitation (id, tenant_id, email, role, token_hash, mailed_token_hash, expires_at, invited_by)
VALUES ($1, $2, $3, $4, $5, $6, now() + $7::interval, $8)
RETURNING id, tenant_id, email, role, expires_at

-- name: find_open
SELECT i.id, i.tenant_id, i.email, i.role, i.expires_at,
    coalesce(nullif(a.name, ''), a.email) AS invited_by
FROM catalog.invitation AS i LEFT JOIN catalog.account AS a ON a.id = i.invited_by
WHERE (i.token_hash = $1 OR i.mailed_token_hash = $1) AND i.accepted_at IS NULL
    AND i.expires_at > now()

-- name: is_mailed
SELECT EXISTS (SELECT FROM catalog.invitation WHERE mailed_token_hash = $1)

-- name: list_open
SELECT id, tenant_id, email, role, expires_at FROM catalog.invitation
WHERE tenant_id = $1 AND accepted_at IS NULL AND expires_at > now() ORDER BY email

-- name: use
UPDATE catalog.invitation SET accepted_at = now()
WHERE (token_hash = $1 OR mailed_token_hash = $1) AND email = $2 AND accepted_at IS NULL
    AND expires_at > now()
RETURNING tenant_id, role, mailed_token_hash = $1 AS was_mailed

-- name: withdraw
DELETE FROM catalog.invitation WHERE tenant_id = $1 AND id = $2 AND accepted_at IS NULL
RETURNING id
