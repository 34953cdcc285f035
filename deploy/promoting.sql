-- What is wanted of a tenant, and which tenants aren't where they are wanted.

-- name: subject
-- A move that an operator took back, or that has failed of late, holds its like off until somebody
-- changes the tenant's plan or pins. $2 is the reconcile, $3 how long a failure is of late.
SELECT p.tier AS plan_tier, t.pinned_tier, t.pinned_cluster,
    coalesce(last.is_held_off, false) AS is_held_off
FROM catalog.tenant AS t
JOIN catalog.plan AS p ON p.name = t.plan
LEFT JOIN LATERAL (
    SELECT m.target ->> 'tier' = coalesce(t.pinned_tier, p.tier)
        AND (t.pinned_cluster IS NULL OR t.pinned_cluster = m.target ->> 'cluster')
        AND CASE
            WHEN m.taken_back_at IS NOT NULL
                THEN m.taken_back_by <> $2 AND m.taken_back_at >= t.changed_at
            ELSE o.state = 'failed' AND m.requested_at >= t.changed_at
                AND m.ended_at > now() - $3::interval
        END AS is_held_off
    FROM catalog.move AS m JOIN catalog.operation AS o ON o.id = m.id
    WHERE m.tenant_id = t.id AND m.ended_at IS NOT NULL
    ORDER BY m.requested_at DESC LIMIT 1
) AS last ON true
WHERE t.id = $1

-- name: recent
-- Where something happened within $1, or is under way; each part has its index.
SELECT id FROM catalog.tenant WHERE changed_at > now() - $1::interval
UNION
SELECT tenant_id FROM catalog.move WHERE ended_at > now() - $1::interval
UNION
SELECT tenant_id FROM catalog.move WHERE ended_at IS NULL

-- name: misplaced
-- Of all tenants, or of those in $1; in pages, by id.
SELECT t.id
FROM catalog.tenant AS t
JOIN catalog.plan AS p ON p.name = t.plan
JOIN catalog.placement AS l ON l.tenant_id = t.id
LEFT JOIN catalog.move AS m ON m.tenant_id = t.id AND m.ended_at IS NULL
WHERE ($1::uuid[] IS NULL OR t.id = ANY($1)) AND ($2::uuid IS NULL OR t.id > $2)
    AND t.status = 'active'
    AND (coalesce(m.target ->> 'tier', l.tier) <> coalesce(t.pinned_tier, p.tier)
        OR coalesce(m.target ->> 'cluster', l.cluster) <> t.pinned_cluster)
ORDER BY t.id LIMIT $3

-- name: experience
-- What the last moves took: the best guess of what the next one will.
SELECT count(*) AS moves, percentile_cont(0.5) WITHIN GROUP (ORDER BY m.pause_ms) AS pause_ms,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY m.rows_copied
        / greatest(extract(epoch FROM m.decided_at - o.started_at), 0.001))
        FILTER (WHERE m.rows_copied >= 100000) AS rows_a_second
FROM (SELECT * FROM catalog.move WHERE decided_at IS NOT NULL ORDER BY requested_at DESC LIMIT 50) AS m
JOIN catalog.operation AS o ON o.id = m.id

-- name: propose
-- Once a day at most.
INSERT INTO catalog.outbox (kind, tenant_id, payload)
SELECT 'promotion.propose', $1, $2::text::jsonb
WHERE NOT EXISTS (
    SELECT FROM catalog.outbox AS o
    WHERE o.tenant_id = $1 AND o.kind = 'promotion.propose' AND o.at > now() - interval '1 day'
)
RETURNING id
