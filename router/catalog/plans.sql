-- The price list.

-- name: find
SELECT p.name, v.version, p.tier, v.limits::text AS limits
FROM catalog.plan AS p
JOIN catalog.plan_version AS v ON v.plan = p.name AND v.version = p.current_version
WHERE p.name = $1

-- name: find_version
SELECT p.name, v.version, p.tier, v.limits::text AS limits
FROM catalog.plan AS p JOIN catalog.plan_version AS v ON v.plan = p.name
WHERE p.name = $1 AND v.version = $2

-- name: list
SELECT p.name, v.version, p.tier, v.limits::text AS limits
FROM catalog.plan AS p
JOIN catalog.plan_version AS v ON v.plan = p.name AND v.version = p.current_version
ORDER BY array_position(ARRAY['rows', 'schema', 'database'], p.tier), p.name

-- name: open
INSERT INTO catalog.plan (name, tier, current_version) VALUES ($1, $2, 0)
ON CONFLICT (name) DO UPDATE SET tier = excluded.tier
RETURNING current_version

-- name: publish
WITH next AS (
    INSERT INTO catalog.plan_version (plan, version, limits) VALUES ($1, $2, $3::text::jsonb)
    RETURNING plan, version
)
UPDATE catalog.plan AS p SET current_version = next.version FROM next WHERE p.name = next.plan
