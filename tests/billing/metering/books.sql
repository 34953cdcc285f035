-- What a gateway's report becomes: an entry of the ledger, with its totals.

-- name: record
WITH new AS (
    INSERT INTO catalog.usage_event (tenant_id, metric, quantity, key, at)
    VALUES ($1, $2, $3, $4, $5)
    RETURNING tenant_id, metric, quantity, at
), month AS (
    INSERT INTO catalog.usage_month AS m (tenant_id, metric, month, quantity)
    SELECT tenant_id, metric, date_trunc('month', at AT TIME ZONE 'UTC')::date, quantity FROM new
    ON CONFLICT (tenant_id, metric, month) DO UPDATE SET quantity = m.quantity + excluded.quantity
)
INSERT INTO catalog.usage_hour AS h (tenant_id, metric, hour, quantity)
SELECT tenant_id, metric, date_trunc('hour', at, 'UTC'), quantity FROM new
ON CONFLICT (tenant_id, metric, hour) DO UPDATE SET quantity = h.quantity + excluded.quantity
