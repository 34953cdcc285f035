-- The inbox: the provider's events.

-- name: store
-- What is new makes its customer's account dirty. A second delivery at the same moment may make it
-- dirty twice, which costs one look. An event that names no customer concerns nobody.
WITH account AS (
    UPDATE catalog.billing AS b SET dirty = b.dirty + 1
    WHERE b.provider = $1 AND b.customer_id = $5
        AND NOT EXISTS (SELECT FROM catalog.inbox AS i WHERE i.provider = $1 AND i.id = $2)
    RETURNING b.tenant_id, b.dirty
)
INSERT INTO catalog.inbox AS i
    (provider, id, type, api_version, customer_id, payload, created_at, sequence, state, handled_at)
SELECT $1, $2, $3, $4, $5, $6, $7, (SELECT account.dirty FROM account),
    CASE WHEN $5::text IS NULL THEN 'handled' ELSE 'waiting' END,
    CASE WHEN $5::text IS NULL THEN now() END
ON CONFLICT (provider, id) DO UPDATE SET deliveries = i.deliveries + 1
RETURNING i.deliveries = 1 AS is_new, (SELECT account.tenant_id FROM account) AS tenant_id

-- name: known
SELECT id FROM catalog.inbox WHERE provider = $1 AND id = ANY ($2::text[])

-- name: handled
WITH found AS (
    SELECT i.provider, i.id FROM catalog.inbox AS i
    WHERE i.provider = $1 AND i.customer_id = $2 AND i.sequence <= $3 AND i.state <> 'handled'
    ORDER BY i.id FOR NO KEY UPDATE
)
UPDATE catalog.inbox AS i SET state = 'handled', handled_at = now(), error = NULL
FROM found WHERE i.provider = found.provider AND i.id = found.id

-- name: attach
-- Events that came before their customer was known. Whoever takes several rows takes them by id.
WITH found AS (
    SELECT i.provider, i.id FROM catalog.inbox AS i
    WHERE i.provider = $1 AND i.customer_id = $2 AND i.sequence IS NULL
    ORDER BY i.id FOR NO KEY UPDATE
)
UPDATE catalog.inbox AS i SET sequence = b.dirty, state = 'waiting'
FROM found, catalog.billing AS b
WHERE i.provider = found.provider AND i.id = found.id
    AND b.provider = $1 AND b.customer_id = $2

-- name: claim_customer
-- Take all waiting events of one customer that is nobody's yet.
WITH first AS (
    SELECT i.customer_id FROM catalog.inbox AS i
    WHERE i.provider = $1 AND i.state = 'waiting' AND i.sequence IS NULL
        AND i.customer_id IS NOT NULL AND i.not_before <= now()
    ORDER BY i.not_before LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
), found AS (
    SELECT i.provider, i.id FROM catalog.inbox AS i
    WHERE i.provider = $1 AND i.state = 'waiting' AND i.sequence IS NULL
        AND i.customer_id = (SELECT first.customer_id FROM first)
    ORDER BY i.id FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE catalog.inbox AS i
SET not_before = now() + $2::interval, attempts = i.attempts + 1
FROM found WHERE i.provider = found.provider AND i.id = found.id
RETURNING i.customer_id, i.attempts

-- name: wait
-- Nobody's still: try again later, or keep what has waited for too long.
WITH found AS (
    SELECT i.provider, i.id FROM catalog.inbox AS i
    WHERE i.provider = $1 AND i.customer_id = $2 AND i.state = 'waiting' AND i.sequence IS NULL
    ORDER BY i.id FOR NO KEY UPDATE
)
UPDATE catalog.inbox AS i
SET error = $3, not_before = now() + $4::interval,
    state = CASE WHEN i.received_at < now() - $5::interval THEN 'kept' ELSE i.state END
FROM found WHERE i.provider = found.provider AND i.id = found.id

-- name: find
SELECT i.provider, i.id, i.type, i.api_version, i.customer_id, b.tenant_id, i.state, i.deliveries,
    i.attempts, i.error, i.created_at, i.received_at, i.handled_at, i.payload
FROM catalog.inbox AS i
LEFT JOIN catalog.billing AS b ON b.provider = i.provider AND b.customer_id = i.customer_id
WHERE i.id = $1
ORDER BY i.received_at DESC LIMIT 1

-- name: list
-- From the newest; $4 is the id of the last one that was shown.
SELECT i.provider, i.id, i.type, i.api_version, i.customer_id, b.tenant_id, i.state, i.deliveries,
    i.attempts, i.error, i.created_at, i.received_at, i.handled_at, i.payload
FROM catalog.inbox AS i
LEFT JOIN catalog.billing AS b ON b.provider = i.provider AND b.customer_id = i.customer_id
WHERE ($1::text IS NULL OR i.state = $1)
    AND ($2::text IS NULL OR i.type = $2)
    AND ($3::uuid IS NULL OR b.tenant_id = $3)
    AND ($4::text IS NULL OR (i.received_at, i.id) < (
        SELECT l.received_at, l.id FROM catalog.inbox AS l WHERE l.id = $4 LIMIT 1))
ORDER BY i.received_at DESC, i.id DESC LIMIT $5

-- name: mark_account
UPDATE catalog.billing SET dirty = dirty + 1, not_before = now()
WHERE provider = $1 AND customer_id = $2 RETURNING dirty

-- name: replay
UPDATE catalog.inbox
SET state = 'waiting', handled_at = NULL, sequence = $3, attempts = 0, error = NULL,
    not_before = now()
WHERE provider = $1 AND id = $2

-- name: forget_old
-- What is handled and older than anything that a sweep would fetch again.
DELETE FROM catalog.inbox AS i USING (
    SELECT o.provider, o.id FROM catalog.inbox AS o
    WHERE o.state = 'handled' AND o.received_at < now() - $1::interval
    ORDER BY o.received_at LIMIT $2
) AS old
WHERE i.provider = old.provider AND i.id = old.id

-- name: pressure
SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting,
    count(*) FILTER (WHERE state = 'kept') AS kept,
    coalesce(extract(epoch FROM now() - min(received_at) FILTER (WHERE state = 'waiting')), 0)::float8
        AS oldest_s
FROM catalog.inbox WHERE state <> 'handled'
