-- People. An e-mail address has one account, whatever its capitals.

-- name: create
INSERT INTO catalog.account (id, email, name, password_hash) VALUES ($1, $2, $3, $4)
ON CONFLICT (lower(email)) DO NOTHING
RETURNING id, email, name, created_at, email_verified_at

-- name: find_by_id
SELECT id, email, name, created_at, email_verified_at FROM catalog.account WHERE id = $1 AND disabled_at IS NULL

-- name: find_by_email
SELECT id, email, name, created_at, email_verified_at FROM catalog.account
WHERE lower(email) = $1 AND disabled_at IS NULL

-- name: find_to_log_in
SELECT a.id, a.email, a.name, a.created_at, a.email_verified_at, a.password_hash,
    a.email_verified_at IS NULL AND a.staff_role IS NULL AND NOT EXISTS (
        SELECT FROM catalog.membership AS m WHERE m.account_id = a.id) AS is_newcomer
FROM catalog.account AS a WHERE lower(a.email) = $1 AND a.disabled_at IS NULL

-- name: set_password
UPDATE catalog.account SET password_hash = $2 WHERE id = $1 RETURNING id

-- name: password_hash_of
SELECT password_hash FROM catalog.account WHERE id = $1 AND disabled_at IS NULL

-- name: rename
UPDATE catalog.account SET name = $2 WHERE id = $1
RETURNING id, email, name, created_at, email_verified_at

-- name: dispute
UPDATE catalog.account SET is_disputed = true WHERE id = $1 AND email_verified_at IS NULL

-- name: confirm
WITH before AS (
    SELECT id, is_disputed FROM catalog.account
    WHERE id = $1 AND disabled_at IS NULL FOR NO KEY UPDATE
)
UPDATE catalog.account AS a
SET email_verified_at = coalesce(a.email_verified_at, now()), is_disputed = false,
    password_hash = CASE WHEN b.is_disputed THEN NULL ELSE a.password_hash END
FROM before AS b WHERE a.id = b.id
RETURNING a.id, a.email, a.name, a.created_at, a.email_verified_at, b.is_disputed AS was_disputed

-- name: set_email
-- The audit, and the rule of four eyes, know the staff by their addresses.
UPDATE catalog.account SET email = $2, email_verified_at = now()
WHERE id = $1 AND staff_role IS NULL
RETURNING id, email, name, created_at, email_verified_at

-- name: renew_hash
UPDATE catalog.account SET password_hash = $3 WHERE id = $1 AND password_hash = $2

-- name: set_disabled
UPDATE catalog.account SET disabled_at = CASE WHEN $2 THEN coalesce(disabled_at, now()) END
WHERE id = $1 RETURNING id
