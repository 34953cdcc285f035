-- What a caller's token or key allows, in one question: read only when a process meets it first.

-- name: sessions
SELECT s.token_hash, s.account_id, s.tenant_id, s.expires_at, a.email,
    s.only_tenant_id IS NOT NULL AS is_confined,
    CASE WHEN s.only_tenant_id IS NULL THEN a.staff_role END AS staff_role,
    coalesce((
        SELECT json_agg(json_build_object(
            'tenant_id', m.tenant_id, 'role', m.role, 'permissions', r.permissions))
        FROM catalog.membership AS m
        LEFT JOIN catalog.custom_role AS r ON r.tenant_id = m.tenant_id AND r.name = m.role
        WHERE m.account_id = s.account_id
            AND (s.only_tenant_id IS NULL OR s.only_tenant_id = m.tenant_id)
            AND (s.only_tenant_id = m.tenant_id OR NOT catalog.needs_sign_on(m, a.email))
    ), '[]')::text AS memberships
FROM catalog.session AS s
JOIN catalog.account AS a ON a.id = s.account_id
WHERE s.token_hash = ANY($1::bytea[]) AND s.ended_at IS NULL AND s.expires_at > now()
    AND a.disabled_at IS NULL

-- name: keys
SELECT k.id, k.secret_hash, k.tenant_id, k.role, r.permissions
FROM catalog.api_key AS k
LEFT JOIN catalog.custom_role AS r ON r.tenant_id = k.tenant_id AND r.name = k.role
WHERE k.id = ANY($1::text[]) AND k.revoked_at IS NULL

-- name: accesses
-- Whoever left the staff, or may no longer write, has no access either, from then on.
SELECT a.token_hash, a.id, a.tenant_id, a.mode, a.requested_by, a.ends_at
FROM catalog.access AS a
LEFT JOIN catalog.account AS p
    ON lower(p.email) = lower(a.requested_by) AND p.disabled_at IS NULL
WHERE a.token_hash = ANY($1::bytea[]) AND a.ended_at IS NULL AND a.ends_at > now()
    AND CASE
        WHEN a.requested_by IN ('token', 'cli') THEN a.mode = 'read'
        WHEN a.mode = 'write' THEN p.staff_role = 'operator'
        ELSE p.staff_role IN ('observer', 'operator')
    END
