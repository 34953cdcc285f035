-- The ledger of usage: what gateways report, its totals, and the partitions of the months to come.

-- name: record
-- What was recorded before, under the same key at the same time, is neither stored nor added again.
-- The totals are written in the order of tenants, so that two gateways never wait for each other;
-- they come back as columns, because a row for each tenant costs the gateway more than all of this.
WITH told AS (
    SELECT * FROM unnest($4::uuid[], $5::bigint[]) AS t (tenant_id, quantity)
), new AS (
    INSERT INTO catalog.usage_event (tenant_id, metric, quantity, key, at)
    SELECT tenant_id, $1, quantity, $2, $3 FROM told
    ON CONFLICT DO NOTHING
    RETURNING tenant_id, metric, quantity, at
), months AS (
    INSERT INTO catalog.usage_month AS m (tenant_id, metric, month, quantity)
    SELECT tenant_id, metric, date_trunc('month', at AT TIME ZONE 'UTC')::date, sum(quantity)::bigint
    FROM new GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (tenant_id, metric, month) DO UPDATE SET quantity = m.quantity + excluded.quantity
    RETURNING tenant_id, month, quantity
), hours AS (
    INSERT INTO catalog.usage_hour AS h (tenant_id, metric, hour, quantity)
    SELECT tenant_id, metric, date_trunc('hour', at, 'UTC'), sum(quantity)::bigint
    FROM new GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (tenant_id, metric, hour) DO UPDATE SET quantity = h.quantity + excluded.quantity
)
SELECT array_agg(months.tenant_id) AS tenant_ids, array_agg(months.quantity) AS used,
    array_agg(g.quantity) AS storage_bytes
FROM months LEFT JOIN catalog.usage_gauge AS g
    ON g.tenant_id = months.tenant_id AND g.metric = $6

-- name: read
SELECT array_agg(t.tenant_id) AS tenant_ids, array_agg(coalesce(m.quantity, 0)) AS used,
    array_agg(g.quantity) AS storage_bytes
FROM unnest($1::uuid[]) AS t (tenant_id)
LEFT JOIN catalog.usage_month AS m
    ON m.tenant_id = t.tenant_id AND m.metric = $3 AND m.month = $2
LEFT JOIN catalog.usage_gauge AS g ON g.tenant_id = t.tenant_id AND g.metric = $4

-- name: notify
-- A tenant that is gone from the catalog is told nothing, and keeps nobody else from being told.
WITH given AS (
    INSERT INTO catalog.notice (id, tenant_id, kind, topic, said, detail)
    SELECT gen_random_uuid(), id, $2, $3, $4, $5::text::jsonb FROM catalog.tenant WHERE id = $1
    ON CONFLICT DO NOTHING
    RETURNING id, tenant_id, kind, said
)
INSERT INTO catalog.outbox (kind, tenant_id, payload)
SELECT 'notice.given', tenant_id, jsonb_build_object('notice', id, 'kind', kind, 'said', said)
FROM given

-- name: make_month
SELECT catalog.make_usage_month($1)
