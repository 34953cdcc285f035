-- Customers whom sales brings in.

-- name: create
INSERT INTO catalog.onboarding (id, name, owner, due_on, document, created_by, changed_by)
VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $6)
RETURNING *, document::text AS told

-- name: find
SELECT *, document::text AS told FROM catalog.onboarding WHERE id = $1

-- name: list
-- The newest first.
SELECT *, document::text AS told FROM catalog.onboarding
WHERE ($1::text IS NULL OR stage = $1) AND ($2::text IS NULL OR owner = $2)
    AND ($3::uuid IS NULL OR (created_at, id) <
        (SELECT b.created_at, b.id FROM catalog.onboarding AS b WHERE b.id = $3))
ORDER BY created_at DESC, id DESC LIMIT $4

-- name: change
UPDATE catalog.onboarding SET name = $3, stage = $4, owner = $5, due_on = $6,
    document = $7::text::jsonb, secret_sealed = $8, tenant_id = $9, changed_by = $10,
    changed_at = now(), version = version + 1
WHERE id = $1 AND version = $2
RETURNING *, document::text AS told

-- name: of_tenant
SELECT id FROM catalog.onboarding WHERE tenant_id = $1 AND stage <> 'closed' AND id <> $2

-- name: keep_receipt
INSERT INTO catalog.onboarding_receipt (id, onboarding_id, made_by, has_passed, document, sha256)
VALUES ($1, $2, $3, $4, $5, $6)
RETURNING *

-- name: newest_receipt
SELECT * FROM catalog.onboarding_receipt WHERE onboarding_id = $1
ORDER BY made_at DESC, id LIMIT 1
