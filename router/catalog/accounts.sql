-- People. An e-mail address has one account, whatever its capitals.

-- name: create
INSERT INTO catalog.account (id, email, name, password_hash) VALUES ($1, $2, $3, $4)
ON CONFLICT (lower(email)) DO NOTHING
RETURNING id, email, name, created_at

-- name: find_by_id
SELECT id, email, name, created_at FROM catalog.account WHERE id = $1 AND disabled_at IS NULL

-- name: find_by_email
SELECT id, email, name, created_at FROM catalog.account
WHERE lower(email) = $1 AND disabled_at IS NULL

-- name: find_to_log_in
SELECT id, email, name, created_at, password_hash FROM catalog.account
WHERE lower(email) = $1 AND disabled_at IS NULL

-- name: set_password
UPDATE catalog.account SET password_hash = $2 WHERE id = $1 RETURNING id

-- name: renew_hash
UPDATE catalog.account SET password_hash = $3 WHERE id = $1 AND password_hash = $2

-- name: set_disabled
UPDATE catalog.account SET disabled_at = CASE WHEN $2 THEN coalesce(disabled_at, now()) END
WHERE id = $1 RETURNING id
