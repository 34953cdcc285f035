-- What operators are shown of the whole fleet: where its places are, and who lacks what.

-- name: standing
-- Places by where they are; the revision is null where nobody looked yet.
WITH places AS (
    SELECT c.name AS cluster, c.shared_database AS database, 'shared' AS schema_name, 'rows' AS tier
    FROM catalog.cluster AS c WHERE c.role = 'shared'
    UNION
    SELECT p.cluster, p.database, p.schema_name, p.tier
    FROM catalog.placement AS p JOIN catalog.tenant AS t ON t.id = p.tenant_id
    WHERE t.status <> 'erased'
)
SELECT p.cluster, p.tier, k.revision, count(*) AS places
FROM places AS p LEFT JOIN catalog.place AS k USING (cluster, database, schema_name)
GROUP BY p.cluster, p.tier, k.revision ORDER BY p.cluster, p.tier, k.revision

-- name: under_way
SELECT r.cluster, k.tier, r.revision, r.state, count(*) AS places
FROM catalog.place_revision AS r JOIN catalog.place AS k USING (cluster, database, schema_name)
WHERE r.state IN ('running', 'failed')
GROUP BY r.cluster, k.tier, r.revision, r.state

-- name: lines
-- One migration's part of the ledger, a page of it.
SELECT r.cluster, r.database, r.schema_name, k.tier, r.revision, r.wave, r.state, r.attempts,
    r.started_at, r.finished_at, r.error,
    (SELECT t.slug FROM catalog.placement AS a JOIN catalog.tenant AS t ON t.id = a.tenant_id
        WHERE k.tier <> 'rows' AND (a.cluster, a.database, a.schema_name) =
            (r.cluster, r.database, r.schema_name) LIMIT 1) AS tenant
FROM catalog.place_revision AS r
LEFT JOIN catalog.place AS k USING (cluster, database, schema_name)
WHERE r.migration = $1 AND ($2::text IS NULL OR r.state = $2) AND ($3::integer IS NULL OR r.wave = $3)
    AND ($4::text IS NULL OR (r.cluster, r.database, r.schema_name, r.revision) > ($4, $5, $6, $7))
ORDER BY r.cluster, r.database, r.schema_name, r.revision LIMIT $8

-- name: fleet
-- Places with where they are, a page of them; tenants only of places of their own.
SELECT k.cluster, k.database, k.schema_name, k.tier, k.revision, k.changed_at,
    (SELECT t.slug FROM catalog.placement AS a JOIN catalog.tenant AS t ON t.id = a.tenant_id
        WHERE k.tier <> 'rows' AND (a.cluster, a.database, a.schema_name) =
            (k.cluster, k.database, k.schema_name) LIMIT 1) AS tenant,
    coalesce((SELECT jsonb_object_agg(r.revision, r.state) FROM catalog.place_revision AS r
        WHERE (r.cluster, r.database, r.schema_name) = (k.cluster, k.database, k.schema_name)),
        '{}')::text AS entries,
    (SELECT r.error FROM catalog.place_revision AS r
        WHERE (r.cluster, r.database, r.schema_name) = (k.cluster, k.database, k.schema_name)
            AND r.error IS NOT NULL ORDER BY r.revision LIMIT 1) AS error
FROM catalog.place AS k
WHERE ($1::text IS NULL OR k.cluster = $1) AND ($2::text IS NULL OR k.tier = $2)
    AND ($3::text IS NULL OR k.revision = $3)
    AND ($4::text IS NULL OR (k.cluster, k.database, k.schema_name) > ($4, $5, $6))
ORDER BY k.cluster, k.database, k.schema_name LIMIT $7
