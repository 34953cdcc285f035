-- What was used, as the ledger's totals and the last measurements say.

-- name: counted
SELECT metric, quantity FROM catalog.usage_month WHERE tenant_id = $1 AND month = $2

-- name: hours
SELECT hour, quantity FROM catalog.usage_hour
WHERE tenant_id = $1 AND metric = $2 AND hour >= $3 AND hour < $4

-- name: measured
SELECT quantity, at FROM catalog.usage_gauge WHERE tenant_id = $1 AND metric = $2

-- name: measure
INSERT INTO catalog.usage_gauge AS g (tenant_id, metric, quantity, at) VALUES ($1, $2, $3, now())
ON CONFLICT (tenant_id, metric) DO UPDATE SET quantity = excluded.quantity, at = excluded.at
