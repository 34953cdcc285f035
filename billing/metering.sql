-- What the provider's meters are told.

-- name: close
-- What an hour's total has beyond what was written of it earlier: the first time all of it, later
-- what was recorded late. Two workers at once write the same number, and one of them nothing.
WITH hour AS (
    SELECT h.tenant_id, h.metric, h.hour, h.quantity - coalesce(told.quantity, 0) AS untold,
        coalesce(told.number, 0) + 1 AS number
    FROM catalog.usage_hour AS h
    JOIN catalog.billing AS b ON b.tenant_id = h.tenant_id
    LEFT JOIN LATERAL (
        SELECT sum(e.quantity)::bigint AS quantity, max(e.number) AS number
        FROM catalog.meter_event AS e
        WHERE e.tenant_id = h.tenant_id AND e.metric = h.metric AND e.hour = h.hour
    ) AS told ON true
    WHERE b.provider = $1 AND b.customer_id IS NOT NULL
        AND h.metric = ANY($2::text[]) AND h.hour >= $3 AND h.hour < $4
)
INSERT INTO catalog.meter_event (identifier, tenant_id, metric, hour, number, quantity)
SELECT concat_ws(':', tenant_id, metric, to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24'),
        number),
    tenant_id, metric, hour, number, untold
FROM hour WHERE untold > 0
ON CONFLICT DO NOTHING
RETURNING identifier

-- name: take
-- Lent for a while: whoever dies with it gives it back by that.
WITH next AS (
    SELECT e.identifier, e.tried_at, b.customer_id
    FROM catalog.meter_event AS e JOIN catalog.billing AS b ON b.tenant_id = e.tenant_id
    WHERE e.sent_at IS NULL AND e.not_before <= now()
        AND (e.tried_at IS NULL OR e.tried_at > now() - make_interval(secs => $4))
        AND b.provider = $1 AND b.customer_id IS NOT NULL
    ORDER BY e.not_before LIMIT $2 FOR UPDATE OF e SKIP LOCKED
)
UPDATE catalog.meter_event AS e
SET attempts = e.attempts + 1, tried_at = coalesce(e.tried_at, now()),
    not_before = now() + make_interval(secs => $3)
FROM next WHERE e.identifier = next.identifier
RETURNING e.identifier, e.metric, e.hour, e.quantity, e.attempts, next.customer_id,
    next.tried_at IS NOT NULL AS may_be_counted

-- name: mark_sent
UPDATE catalog.meter_event SET sent_at = now(), error = NULL
WHERE identifier = $1 AND sent_at IS NULL

-- name: put_off
-- $4: it is certain that the provider has not counted it.
UPDATE catalog.meter_event
SET error = $2, not_before = now() + make_interval(secs => $3),
    tried_at = CASE WHEN $4 THEN NULL ELSE tried_at END
WHERE identifier = $1 AND sent_at IS NULL

-- name: held
SELECT identifier, tenant_id, metric, hour, quantity, attempts, tried_at, error
FROM catalog.meter_event
WHERE sent_at IS NULL AND tried_at <= now() - make_interval(secs => $1)
ORDER BY tried_at LIMIT $2

-- name: settle_counted
UPDATE catalog.meter_event SET sent_at = now(), error = NULL
WHERE identifier = $1 AND sent_at IS NULL AND tried_at <= now() - make_interval(secs => $2)
RETURNING tenant_id

-- name: settle_lost
UPDATE catalog.meter_event SET tried_at = NULL, not_before = now()
WHERE identifier = $1 AND sent_at IS NULL AND tried_at <= now() - make_interval(secs => $2)
RETURNING tenant_id
