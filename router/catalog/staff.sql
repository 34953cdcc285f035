-- Staff: accounts that may enter the operators' console.

-- name: list
SELECT id, email, name, staff_role FROM catalog.account
WHERE staff_role IS NOT NULL AND disabled_at IS NULL ORDER BY email

-- name: find
SELECT id, email, name, staff_role FROM catalog.account
WHERE lower(email) = $1 AND staff_role IS NOT NULL AND disabled_at IS NULL

-- name: let_in_by
-- Who let somebody into the staff, or changed the role, the last time.
SELECT actor FROM catalog.audit
WHERE tenant_id IS NULL AND action = 'staff.add' AND target = $1 ORDER BY id DESC LIMIT 1

-- name: give
UPDATE catalog.account SET staff_role = $2 WHERE id = $1 RETURNING id, email, name, staff_role

-- name: remove
UPDATE catalog.account SET staff_role = NULL
WHERE lower(email) = $1 AND staff_role IS NOT NULL RETURNING email
