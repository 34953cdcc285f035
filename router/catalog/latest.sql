-- What is known lately of the tenants of one page of a list.

-- name: of
SELECT t.id, k.revision, g.quantity AS stored_bytes, coalesce(l.requests, 0) AS requests,
    greatest(l.minute, (
        SELECT max(h.hour) FROM catalog.usage_hour AS h
        WHERE h.tenant_id = t.id AND h.metric = 'api_calls')) AS active_at
FROM unnest($1::uuid[]) AS t (id)
LEFT JOIN catalog.placement AS p ON p.tenant_id = t.id
LEFT JOIN catalog.place AS k USING (cluster, database, schema_name)
LEFT JOIN catalog.usage_gauge AS g ON g.tenant_id = t.id AND g.metric = 'storage_bytes'
LEFT JOIN (
    SELECT tenant_id, sum(requests)::bigint AS requests, max(minute) AS minute
    FROM catalog.load
    WHERE minute >= now() - interval '1 hour' AND tenant_id = ANY ($1::uuid[]) AND requests > 0
    GROUP BY tenant_id
) AS l ON l.tenant_id = t.id
