-- Rules of billing, asked of the catalog. Each names what it finds: object, detail. The section
-- `given` goes in front of every other one; $1 is what the examination knows, as JSON.

-- name: given
WITH asked AS (
    SELECT $1::jsonb AS facts
)

-- name: provider_failing
SELECT t.slug AS object, format('%s attempts, the last one: %s', b.attempts, b.error) AS detail
FROM catalog.billing AS b JOIN catalog.tenant AS t ON t.id = b.tenant_id
WHERE b.error IS NOT NULL AND b.attempts >= 3

-- name: account_unsynced
SELECT t.slug AS object, format('%s changes since %s', b.dirty - b.synced, e.since) AS detail
FROM catalog.billing AS b
JOIN catalog.tenant AS t ON t.id = b.tenant_id
CROSS JOIN LATERAL (
    SELECT coalesce(min(i.received_at), b.changed_at) AS since
    FROM catalog.inbox AS i
    WHERE i.provider = b.provider AND i.customer_id = b.customer_id AND i.state = 'waiting'
) AS e
WHERE b.synced < b.dirty AND e.since < now() - interval '1 minute'

-- name: event_waiting
SELECT i.id AS object,
    concat_ws(', ', i.type, 'since ' || i.received_at, 'customer ' || i.customer_id, i.error) AS detail
FROM catalog.inbox AS i
WHERE i.state = 'waiting' AND i.received_at < now() - interval '1 hour'
ORDER BY i.received_at LIMIT 100

-- name: event_kept
SELECT i.id AS object,
    concat_ws(', ', i.type, 'since ' || i.received_at, 'customer ' || i.customer_id, i.error) AS detail
FROM catalog.inbox AS i
WHERE i.state = 'kept'
ORDER BY i.received_at DESC LIMIT 100

-- name: account_problem
SELECT t.slug AS object, b.problem AS detail
FROM catalog.billing AS b JOIN catalog.tenant AS t ON t.id = b.tenant_id
WHERE b.problem IS NOT NULL

-- name: paid_twice
SELECT t.slug AS object, string_agg(s.subscription ->> 'id', ', ' ORDER BY s.subscription ->> 'id') AS detail
FROM catalog.billing AS b
JOIN catalog.tenant AS t ON t.id = b.tenant_id
CROSS JOIN LATERAL jsonb_array_elements(b.seen -> 'subscriptions') AS s (subscription)
WHERE s.subscription ->> 'status' IN ('trialing', 'active', 'past_due')
    AND s.subscription ->> 'cancel_at' IS NULL
GROUP BY t.slug
HAVING count(*) > 1

-- name: meter_unsent
SELECT t.slug AS object,
    format('%s of the hour %s, %s attempts: %s', m.metric, m.hour, m.attempts,
        coalesce(m.error, 'no answer was heard')) AS detail
FROM catalog.meter_event AS m JOIN catalog.tenant AS t ON t.id = m.tenant_id
WHERE m.sent_at IS NULL AND (m.error IS NOT NULL OR m.tried_at IS NOT NULL)
    AND m.created_at < now() - interval '1 hour'
ORDER BY m.created_at LIMIT 100

-- name: usage_rest
SELECT 'catalog.usage_event_rest' AS object,
    format('%s rows, the first of %s', count(*), min(r.at)) AS detail
FROM catalog.usage_event_rest AS r
HAVING count(*) > 0

-- name: usage_month
SELECT format('catalog.usage_event_%s', m.month) AS object, 'there is no such partition' AS detail
FROM (
    SELECT to_char(now() AT TIME ZONE 'UTC' + ahead, 'YYYYMM') AS month
    FROM unnest(ARRAY[interval '0', interval '7 days']) AS ahead
) AS m
WHERE to_regclass(format('catalog.usage_event_%s', m.month)) IS NULL
GROUP BY m.month
