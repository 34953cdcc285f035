-- Mailed proofs. An account has one of each purpose: the row is written anew for each letter.

-- name: issue
-- Not again so soon: whoever asks in a loop fills nobody's mailbox.
INSERT INTO catalog.proof AS p
    (account_id, purpose, email, token_hash, code_hash, tries_left, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, now() + $7::interval)
ON CONFLICT (account_id, purpose) DO UPDATE
SET email = excluded.email, token_hash = excluded.token_hash, code_hash = excluded.code_hash,
    tries_left = excluded.tries_left, expires_at = excluded.expires_at, made_at = now(),
    used_at = NULL
WHERE p.made_at <= now() - $8::interval
RETURNING expires_at

-- name: try_code
-- Counted before it is compared, so that many at once have no more tries than one after the other.
UPDATE catalog.proof SET tries_left = tries_left - 1
WHERE account_id = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > now()
    AND tries_left > 0
RETURNING code_hash, token_hash

-- name: use
UPDATE catalog.proof SET used_at = now()
WHERE purpose = $1 AND token_hash = $2 AND used_at IS NULL AND expires_at > now()
RETURNING account_id, email

-- name: end_all
UPDATE catalog.proof SET used_at = now() WHERE account_id = $1 AND used_at IS NULL

-- name: forget_old
DELETE FROM catalog.proof WHERE expires_at < now() - interval '1 day'
