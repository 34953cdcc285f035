-- Passkeys, and the challenges that they sign.

-- name: ask
INSERT INTO catalog.challenge (hash, account_id, expires_at) VALUES ($1, $2, now() + $3::interval)

-- name: answer
-- Used up by being looked at. $2 is null at a log-in, where nobody knows yet who it is.
DELETE FROM catalog.challenge
WHERE hash = $1 AND account_id IS NOT DISTINCT FROM $2 AND expires_at > now()
RETURNING true

-- name: forget_old
DELETE FROM catalog.challenge WHERE expires_at < now()

-- name: list
SELECT id, account_id, credential_id, public_key, sign_count, name, created_at, last_used_at
FROM catalog.passkey WHERE account_id = $1 ORDER BY created_at, id

-- name: find
SELECT p.id, p.account_id, p.credential_id, p.public_key, p.sign_count, p.name, p.created_at,
    p.last_used_at
FROM catalog.passkey AS p JOIN catalog.account AS a ON a.id = p.account_id
WHERE p.credential_id = $1 AND a.disabled_at IS NULL

-- name: add
INSERT INTO catalog.passkey (id, account_id, credential_id, public_key, sign_count, name)
SELECT $1, $2, $3, $4, $5, $6
WHERE (SELECT count(*) FROM catalog.passkey WHERE account_id = $2) < $7
ON CONFLICT (credential_id) DO NOTHING
RETURNING id, account_id, credential_id, public_key, sign_count, name, created_at, last_used_at

-- name: used
-- A count that doesn't grow is a copied authenticator; 0 is one that doesn't count.
UPDATE catalog.passkey SET sign_count = $2, last_used_at = now()
WHERE id = $1 AND (sign_count < $2 OR (sign_count = 0 AND $2 = 0))
RETURNING id

-- name: rename
UPDATE catalog.passkey SET name = $3 WHERE account_id = $1 AND id = $2
RETURNING id, account_id, credential_id, public_key, sign_count, name, created_at, last_used_at

-- name: remove
DELETE FROM catalog.passkey WHERE account_id = $1 AND id = $2 RETURNING id
