-- Letters: the queue of mail.

-- name: put
INSERT INTO catalog.letter (id, kind, recipient, tenant_id, values_sealed, expires_at, not_before)
VALUES ($1, $2, $3, $4, $5, now() + $6::interval, now() + $7::interval)

-- name: take_back
DELETE FROM catalog.letter
WHERE tenant_id = $1 AND kind = $2 AND attempts = 0 AND not_before > now()
    AND sent_at IS NULL AND given_up_at IS NULL
RETURNING id, recipient, values_sealed

-- name: claim
-- Postponed before it is sent: a worker that dies leaves it to the next one.
UPDATE catalog.letter AS l
SET not_before = now() + $2::interval, attempts = l.attempts + 1
FROM (
    SELECT id FROM catalog.letter
    WHERE sent_at IS NULL AND given_up_at IS NULL AND not_before <= now()
    ORDER BY not_before, id LIMIT $1 FOR UPDATE SKIP LOCKED
) AS due
WHERE l.id = due.id
RETURNING l.id, l.kind, l.recipient, l.values_sealed, l.made_at, l.attempts,
    l.expires_at <= now() AS is_late

-- name: sent
UPDATE catalog.letter SET sent_at = now(), values_sealed = NULL, error = NULL
WHERE id = $1 AND sent_at IS NULL AND given_up_at IS NULL

-- name: give_up
UPDATE catalog.letter SET given_up_at = now(), values_sealed = NULL, error = $2
WHERE id = $1 AND sent_at IS NULL AND given_up_at IS NULL

-- name: postpone
UPDATE catalog.letter SET not_before = now() + $2::interval, error = $3
WHERE id = $1 AND sent_at IS NULL AND given_up_at IS NULL

-- name: figures
SELECT count(*) FILTER (WHERE sent_at IS NULL AND given_up_at IS NULL) AS waiting,
    count(*) FILTER (WHERE given_up_at IS NOT NULL) AS given_up,
    coalesce(extract(epoch FROM now() - min(made_at)
        FILTER (WHERE sent_at IS NULL AND given_up_at IS NULL)), 0)::float8 AS oldest_s
FROM catalog.letter

-- name: give_up_late
-- Where mail goes nowhere nobody claims them, and what opens accounts isn't kept for ever.
UPDATE catalog.letter SET given_up_at = now(), values_sealed = NULL,
    error = concat_ws(': ', 'nobody needs it any more', error)
WHERE sent_at IS NULL AND given_up_at IS NULL AND expires_at <= now() AND not_before <= now()

-- name: forget_old
DELETE FROM catalog.letter WHERE made_at < now() - interval '30 days'
    AND (sent_at IS NOT NULL OR given_up_at IS NOT NULL)

-- name: take_messages
-- The messages of the outbox that nobody has read, for whoever writes letters of them. Addresses
-- in them are kept until then and no longer.
UPDATE catalog.outbox AS o SET delivered_at = now(), payload = o.payload - '{readers,by}'::text[]
FROM (
    SELECT id, payload FROM catalog.outbox WHERE delivered_at IS NULL
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
) AS due
WHERE o.id = due.id
RETURNING o.id, o.at, o.kind, o.tenant_id, due.payload::text AS payload

-- name: readers
-- Who is told of a tenant's affairs: those who may see to its bills.
SELECT t.slug, t.name AS tenant, a.email, a.name, m.role = 'owner' AS is_owner,
    a.email_verified_at IS NOT NULL AS is_proved
FROM catalog.membership AS m
JOIN catalog.tenant AS t ON t.id = m.tenant_id
JOIN catalog.account AS a ON a.id = m.account_id
LEFT JOIN catalog.custom_role AS r ON r.tenant_id = m.tenant_id AND r.name = m.role
WHERE m.tenant_id = $1 AND a.disabled_at IS NULL
    AND (m.role IN ('owner', 'admin') OR 'billing.write' = ANY (r.permissions))
ORDER BY a.email

-- name: subject
SELECT slug, name AS tenant FROM catalog.tenant WHERE id = $1
