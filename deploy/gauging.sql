-- Which tenants' storage is to be measured, and what the measurement leads to.

-- name: due
-- $2: none younger than this is measured again; $3: none of those that are near their limit.
SELECT t.id, g.quantity, g.at
FROM catalog.tenant_known AS t
LEFT JOIN catalog.usage_gauge AS g ON g.tenant_id = t.id AND g.metric = $1
WHERE t.status = 'active' AND t.tier IS NOT NULL AND ($4::uuid IS NULL OR t.id > $4)
    AND (g.at IS NULL OR g.at < now() - make_interval(secs => $2)
        OR (g.at < now() - make_interval(secs => $3)
            AND g.quantity * 5 >= (t.limits::jsonb ->> 'storage_bytes')::numeric * 4))
ORDER BY t.id LIMIT $5

-- name: end_warnings
-- Those of a storage that is smaller by now, and those of the months before.
UPDATE catalog.notice SET ended_at = now()
WHERE tenant_id = $1 AND ended_at IS NULL AND starts_with(topic, $2)
    AND NOT (topic = $3 AND kind = ANY($4::text[]))
