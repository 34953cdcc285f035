-- One tenant's month, hour by hour: as the ledger's own entries say, beside what was made of them.

-- name: hours
WITH recorded AS (
    SELECT metric, date_trunc('hour', at, 'UTC') AS hour, sum(quantity)::bigint AS quantity,
        count(*) AS reports, min(at) AS first_at, max(at) AS last_at
    FROM catalog.usage_event
    WHERE tenant_id = $1 AND at >= $2 AND at < $3
    GROUP BY 1, 2
), totalled AS (
    SELECT metric, hour, quantity FROM catalog.usage_hour
    WHERE tenant_id = $1 AND hour >= $2 AND hour < $3
), told AS (
    SELECT metric, hour, sum(quantity)::bigint AS quantity,
        coalesce(sum(quantity) FILTER (WHERE sent_at IS NOT NULL), 0)::bigint AS sent
    FROM catalog.meter_event
    WHERE tenant_id = $1 AND hour >= $2 AND hour < $3
    GROUP BY 1, 2
), kept AS (
    SELECT metric, quantity FROM catalog.usage_month
    WHERE tenant_id = $1 AND month = ($2::timestamptz AT TIME ZONE 'UTC')::date
)
SELECT metric, hour, coalesce(r.quantity, 0) AS recorded, coalesce(r.reports, 0) AS reports,
    r.first_at, r.last_at, coalesce(t.quantity, 0) AS totalled,
    coalesce(m.quantity, 0) AS told, coalesce(m.sent, 0) AS sent, coalesce(k.quantity, 0) AS kept
FROM recorded AS r
FULL JOIN totalled AS t USING (metric, hour)
FULL JOIN told AS m USING (metric, hour)
FULL JOIN kept AS k USING (metric)
ORDER BY metric, hour
