-- One cluster, as far as the catalog knows it.

-- name: places
-- The databases with the most tenants first; there may be one for each tenant.
SELECT p.database, p.tier, count(*) AS tenants, count(DISTINCT p.schema_name) AS schemas,
    (count(*) OVER ())::bigint AS groups
FROM catalog.placement AS p WHERE p.cluster = $1
GROUP BY p.database, p.tier ORDER BY count(*) DESC, p.database, p.tier LIMIT $2

-- name: moves
-- Until it is settled a move holds room at both of its ends.
SELECT m.id, t.slug, m.source ->> 'tier' AS source_tier, m.source ->> 'cluster' AS source_cluster,
    m.target ->> 'tier' AS target_tier, m.target ->> 'cluster' AS target_cluster,
    m.decided_at IS NOT NULL AS is_decided, m.requested_at
FROM catalog.move AS m JOIN catalog.tenant AS t ON t.id = m.tenant_id
WHERE m.ended_at IS NULL AND $1 IN (m.source ->> 'cluster', m.target ->> 'cluster')
ORDER BY m.requested_at DESC, m.id LIMIT $2

-- name: revisions
SELECT k.revision, count(*) AS places FROM catalog.place AS k WHERE k.cluster = $1
GROUP BY k.revision ORDER BY count(*) DESC, k.revision LIMIT $2
