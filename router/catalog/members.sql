-- name: add
INSERT INTO catalog.membership (id, tenant_id, account_id, role) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant_id, account_id) DO NOTHING RETURNING id

-- name: list
SELECT m.id, m.tenant_id, m.account_id, a.email, a.name, m.role, m.created_at
FROM catalog.membership AS m JOIN catalog.account AS a ON a.id = m.account_id
WHERE m.tenant_id = $1 ORDER BY a.email

-- name: find
SELECT m.id, m.tenant_id, m.account_id, a.email, a.name, m.role, m.created_at
FROM catalog.membership AS m JOIN catalog.account AS a ON a.id = m.account_id
WHERE m.tenant_id = $1 AND m.id = $2

-- name: hold
-- Nobody gives the member another role until this transaction ends.
SELECT m.id, m.tenant_id, m.account_id, a.email, a.name, m.role, m.created_at
FROM catalog.membership AS m JOIN catalog.account AS a ON a.id = m.account_id
WHERE m.tenant_id = $1 AND m.id = $2 FOR NO KEY UPDATE OF m

-- name: find_by_account
SELECT m.id, m.tenant_id, m.account_id, a.email, a.name, m.role, m.created_at
FROM catalog.membership AS m JOIN catalog.account AS a ON a.id = m.account_id
WHERE m.tenant_id = $1 AND m.account_id = $2

-- name: count
SELECT count(*) FROM catalog.membership WHERE tenant_id = $1

-- name: hold_seats
SELECT FROM catalog.tenant WHERE id = $1 FOR NO KEY UPDATE

-- name: tenants_of
SELECT t.id, t.slug, t.name, t.plan, m.role, catalog.needs_sign_on(m, a.email) AS needs_sign_on
FROM catalog.membership AS m
JOIN catalog.tenant AS t ON t.id = m.tenant_id
JOIN catalog.account AS a ON a.id = m.account_id
WHERE m.account_id = $1 AND t.status <> 'erased' ORDER BY t.slug

-- name: set_role
UPDATE catalog.membership SET role = $3 WHERE tenant_id = $1 AND id = $2 RETURNING id

-- name: remove
DELETE FROM catalog.membership WHERE tenant_id = $1 AND id = $2 RETURNING id
