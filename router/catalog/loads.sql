-- What tenants' requests took of the databases, by the minute.

-- name: add
-- In the order of ids, so that two gateways never wait for each other.
INSERT INTO catalog.load AS l (minute, tenant_id, requests, busy_ms, waiting_ms)
SELECT date_trunc('minute', now()), t.id, c.requests, c.busy_ms, c.waiting_ms
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[])
    AS c (tenant_id, requests, busy_ms, waiting_ms)
JOIN catalog.tenant AS t ON t.id = c.tenant_id
ORDER BY t.id
ON CONFLICT (minute, tenant_id) DO UPDATE SET
    requests = l.requests + excluded.requests,
    busy_ms = l.busy_ms + excluded.busy_ms,
    waiting_ms = l.waiting_ms + excluded.waiting_ms

-- name: begins_at
SELECT date_trunc('minute', now()) - make_interval(mins => $1::integer - 1)

-- name: first
WITH part AS (
    SELECT tenant_id, requests, busy_ms, waiting_ms,
        (extract(epoch FROM minute - $1::timestamptz) / 60)::integer AS minute,
        CASE $2::text
            WHEN 'busy' THEN busy_ms WHEN 'requests' THEN requests ELSE waiting_ms
        END AS amount
    FROM catalog.load WHERE minute >= $1
)
SELECT t.id, t.slug, t.name, t.plan, p.tier, p.cluster,
    sum(l.requests)::bigint AS requests,
    sum(l.busy_ms)::bigint AS busy_ms,
    sum(l.waiting_ms)::bigint AS waiting_ms,
    array_agg(l.minute ORDER BY l.minute) AS minutes,
    array_agg(l.amount ORDER BY l.minute) AS amounts
FROM part AS l
JOIN catalog.tenant AS t ON t.id = l.tenant_id
LEFT JOIN catalog.placement AS p ON p.tenant_id = t.id
WHERE $3::text IS NULL OR p.cluster = $3
GROUP BY t.id, t.slug, t.name, t.plan, p.tier, p.cluster
HAVING sum(l.amount) > 0
ORDER BY sum(l.amount) DESC, t.slug
LIMIT $4

-- name: forget_old
DELETE FROM catalog.load WHERE minute < now() - interval '24 hours'
