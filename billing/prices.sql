-- Which of the provider's prices lead to which plan.

-- name: lock
LOCK TABLE catalog.price IN SHARE ROW EXCLUSIVE MODE

-- name: retire
UPDATE catalog.price SET is_current = false
WHERE provider = $1 AND is_current AND id <> ALL ($2::text[])
RETURNING id, lookup_key

-- name: unknown_plans
SELECT wanted.name FROM unnest($1::text[]) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM catalog.plan AS p WHERE p.name = wanted.name)
ORDER BY wanted.name

-- name: write
INSERT INTO catalog.price AS p
    (provider, id, product_id, lookup_key, plan, charge, currency, amount, interval, is_current)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, true)
ON CONFLICT (provider, id) DO UPDATE SET
    product_id = excluded.product_id,
    lookup_key = excluded.lookup_key,
    plan = excluded.plan,
    charge = excluded.charge,
    currency = excluded.currency,
    amount = excluded.amount,
    interval = excluded.interval,
    is_current = true
WHERE (p.product_id, p.lookup_key, p.plan, p.charge, p.currency, p.amount, p.interval, p.is_current)
    IS DISTINCT FROM (
        excluded.product_id, excluded.lookup_key, excluded.plan, excluded.charge,
        excluded.currency, excluded.amount, excluded.interval, true
    )
RETURNING id

-- name: list
SELECT id, product_id, lookup_key, plan, charge, currency, amount, interval, is_current
FROM catalog.price
WHERE provider = $1
ORDER BY is_current DESC, created_at DESC, id
