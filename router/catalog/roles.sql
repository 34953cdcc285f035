-- name: find
SELECT permissions FROM catalog.custom_role WHERE tenant_id = $1 AND name = $2 FOR KEY SHARE

-- name: list
SELECT name, permissions FROM catalog.custom_role WHERE tenant_id = $1 ORDER BY name

-- name: put
INSERT INTO catalog.custom_role (tenant_id, name, permissions) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, name) DO UPDATE SET permissions = excluded.permissions

-- name: lock
SELECT name FROM catalog.custom_role WHERE tenant_id = $1 AND name = $2 FOR UPDATE

-- name: remove
-- In a statement of its own after the lock: only that one sees who got the role just before.
DELETE FROM catalog.custom_role AS r
WHERE r.tenant_id = $1 AND r.name = $2
    AND NOT EXISTS (SELECT FROM catalog.membership AS m
        WHERE m.tenant_id = r.tenant_id AND m.role = r.name)
    AND NOT EXISTS (SELECT FROM catalog.api_key AS k
        WHERE k.tenant_id = r.tenant_id AND k.role = r.name AND k.revoked_at IS NULL)
    AND NOT EXISTS (SELECT FROM catalog.invitation AS i
        WHERE i.tenant_id = r.tenant_id AND i.role = r.name AND i.accepted_at IS NULL)
RETURNING r.name
