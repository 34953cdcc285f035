-- Tenants' accounts with the provider.

-- name: find
SELECT tenant_id, provider, customer_id, dirty, synced, seen, seen_at, contract_plan,
    contract_reason, contract_until, has_bought, standing, standing_since, standing_until,
    standing_reason, problem, attempts, error
FROM catalog.billing WHERE tenant_id = $1

-- name: lock
SELECT tenant_id, provider, customer_id, dirty, synced, seen, seen_at, contract_plan,
    contract_reason, contract_until, has_bought, standing, standing_since, standing_until,
    standing_reason, problem, attempts, error
FROM catalog.billing WHERE tenant_id = $1 FOR NO KEY UPDATE

-- name: lock_behind
-- The compare and set: $2 is what `dirty` was before the provider was asked about customer $3.
-- Whoever asked earlier and comes later finds nothing.
SELECT tenant_id, provider, customer_id, dirty, synced, seen, seen_at, contract_plan,
    contract_reason, contract_until, has_bought, standing, standing_since, standing_until,
    standing_reason, problem, attempts, error
FROM catalog.billing
WHERE tenant_id = $1 AND synced < $2 AND customer_id IS NOT DISTINCT FROM $3
FOR NO KEY UPDATE

-- name: open
INSERT INTO catalog.billing (tenant_id, provider) VALUES ($1, $2) ON CONFLICT (tenant_id) DO NOTHING

-- name: set_customer
-- Only where there is none yet, or where $4 was deleted at the provider.
UPDATE catalog.billing
SET provider = $2, customer_id = $3, dirty = dirty + 1, not_before = now(), changed_at = now()
WHERE tenant_id = $1 AND customer_id IS NOT DISTINCT FROM $4
RETURNING tenant_id

-- name: find_customer
SELECT tenant_id FROM catalog.billing WHERE provider = $1 AND customer_id = $2

-- name: known_customers
SELECT customer_id FROM catalog.billing WHERE provider = $1 AND customer_id = ANY ($2::text[])

-- name: mark_dirty
UPDATE catalog.billing SET dirty = dirty + 1, not_before = now() WHERE tenant_id = $1
RETURNING dirty

-- name: set_contract
UPDATE catalog.billing
SET contract_plan = $2, contract_reason = $3, contract_until = $4, has_bought = true,
    dirty = dirty + 1, not_before = now(), changed_at = now()
WHERE tenant_id = $1 RETURNING tenant_id

-- name: end_contract
UPDATE catalog.billing
SET contract_plan = NULL, contract_reason = NULL, contract_until = NULL,
    dirty = dirty + 1, not_before = now(), changed_at = now()
WHERE tenant_id = $1 AND contract_plan IS NOT NULL RETURNING tenant_id

-- name: payer_email
SELECT a.email FROM catalog.membership AS m JOIN catalog.account AS a ON a.id = m.account_id
WHERE m.tenant_id = $1 AND m.role = 'owner' AND a.disabled_at IS NULL
ORDER BY m.created_at, m.id LIMIT 1

-- name: page
SELECT tenant_id FROM catalog.billing
WHERE (provider = $1 OR customer_id IS NULL) AND ($2::uuid IS NULL OR tenant_id > $2)
ORDER BY tenant_id LIMIT $3

-- name: claim
-- Take one account that is behind, and keep others from it for a while.
UPDATE catalog.billing SET not_before = now() + $2::interval
WHERE tenant_id = (
    SELECT b.tenant_id FROM catalog.billing AS b
    WHERE b.synced < b.dirty AND (b.provider = $1 OR b.customer_id IS NULL)
        AND b.not_before <= now()
    ORDER BY b.not_before LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING tenant_id, customer_id, dirty, attempts

-- name: claim_this
UPDATE catalog.billing SET not_before = now() + $2::interval
WHERE tenant_id = $3 AND synced < dirty AND (provider = $1 OR customer_id IS NULL)
RETURNING tenant_id, customer_id, dirty, attempts

-- name: claim_due
-- Take one account that time alone has changed.
SELECT tenant_id FROM catalog.billing
WHERE judge_at <= now() AND (provider = $1 OR customer_id IS NULL)
ORDER BY judge_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED

-- name: put_off
UPDATE catalog.billing SET judge_at = now() + $2::interval WHERE tenant_id = $1

-- name: fail
-- Nobody's success is undone by a failure that comes later.
UPDATE catalog.billing
SET attempts = attempts + 1, not_before = now() + $3::interval, error = $4,
    problem = coalesce($5, problem)
WHERE tenant_id = $1 AND synced < $2

-- name: facts
SELECT now() AS now, t.slug, t.status, t.plan,
    (SELECT count(*) FROM catalog.membership AS m WHERE m.tenant_id = t.id) AS seats,
    coalesce((SELECT g.quantity FROM catalog.usage_gauge AS g
        WHERE g.tenant_id = t.id AND g.metric = 'storage_bytes'), 0) AS storage_bytes,
    EXISTS (SELECT FROM catalog.custom_role AS r WHERE r.tenant_id = t.id) AS has_custom_roles,
    EXISTS (SELECT FROM catalog.domain AS d WHERE d.tenant_id = t.id) AS has_custom_domains
FROM catalog.tenant AS t WHERE t.id = $1

-- name: plans
-- Each plan from the smallest up, with what was agreed with the tenant beyond it.
SELECT p.name, v.version, p.tier, (v.limits || coalesce(o.limits, '{}'))::text AS limits
FROM catalog.plan AS p
JOIN catalog.plan_version AS v ON v.plan = p.name AND v.version = p.current_version
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(each.key, each.value ORDER BY w.made_at) AS limits
    FROM catalog.limit_override AS w, jsonb_each(w.limits) AS each
    WHERE w.tenant_id = $1 AND w.ended_at IS NULL
        AND (w.expires_at IS NULL OR w.expires_at > now())
) AS o ON true
ORDER BY array_position(ARRAY['rows', 'schema', 'database'], p.tier), p.name

-- name: set_seen
UPDATE catalog.billing
SET seen = $2::text::jsonb, seen_at = now(), synced = $3, attempts = 0, error = NULL,
    not_before = now(), changed_at = now()
WHERE tenant_id = $1

-- name: set_verdict
UPDATE catalog.billing
SET standing = $2, standing_until = $3, standing_reason = $4, problem = $5, has_bought = $6,
    judge_at = CASE WHEN $7::timestamptz IS NULL THEN NULL
        ELSE greatest($7, now() + interval '1 second') END,
    standing_since = CASE WHEN standing = $2 THEN standing_since ELSE now() END
WHERE tenant_id = $1

-- name: forget_contract
-- It has ended: what was agreed stays in the audit.
UPDATE catalog.billing
SET contract_plan = NULL, contract_reason = NULL, contract_until = NULL
WHERE tenant_id = $1
