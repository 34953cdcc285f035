-- name: list
SELECT c.*, (SELECT count(*) FROM catalog.placement AS p WHERE p.cluster = c.name) AS tenants
FROM catalog.cluster AS c ORDER BY c.name

-- name: find
SELECT c.*, 0::bigint AS tenants FROM catalog.cluster AS c WHERE c.name = $1

-- name: all
SELECT c.*, 0::bigint AS tenants FROM catalog.cluster AS c

-- name: add
INSERT INTO catalog.cluster (name, role, region, capacity, host, port, pooler_host, pooler_port,
    shared_database, maintenance_database, dsn_sealed, is_reserved)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (name) DO NOTHING RETURNING name

-- name: change
UPDATE catalog.cluster SET capacity = $2, host = $3, port = $4, pooler_host = $5, pooler_port = $6,
    dsn_sealed = $7
WHERE name = $1 RETURNING name

-- name: set_state
UPDATE catalog.cluster SET state = $2 WHERE name = $1 RETURNING name

-- name: lock
SELECT name FROM catalog.cluster WHERE role = $1 ORDER BY name FOR NO KEY UPDATE

-- name: room
-- Counted after the lock, in a statement of its own: only that one sees what the last holder of
-- the lock took. An operation takes room until its tenant has a placement; a tenant that moved
-- away keeps its room until the move is settled, because it may be undone.
SELECT c.*, taken.tenants
FROM catalog.cluster AS c
CROSS JOIN LATERAL (
    SELECT (SELECT count(*) FROM catalog.placement AS p WHERE p.cluster = c.name)
        + (SELECT count(*) FROM catalog.operation AS o
            WHERE o.cluster = c.name AND o.state IN ('waiting', 'running')
            AND NOT EXISTS (SELECT FROM catalog.placement AS p
                WHERE p.tenant_id = o.tenant_id AND p.cluster = c.name))
        + (SELECT count(*) FROM catalog.move AS m
            WHERE m.ended_at IS NULL AND m.source ->> 'cluster' = c.name
            AND NOT EXISTS (SELECT FROM catalog.placement AS p
                WHERE p.tenant_id = m.tenant_id AND p.cluster = c.name)) AS tenants
) AS taken
WHERE c.role = $1 AND (c.name = $2 OR ($2::text IS NULL AND NOT c.is_reserved)) AND ($3::text IS NULL OR c.region = $3)
ORDER BY c.state = 'accepting' DESC, c.capacity - taken.tenants DESC, c.name
LIMIT 1
