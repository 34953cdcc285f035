-- Tenants, their slugs, their domains.

-- name: find_by_id
SELECT * FROM catalog.tenant_known WHERE id = $1

-- name: find_by_slug
SELECT w.* FROM catalog.tenant_known AS w JOIN catalog.slug AS s ON s.tenant_id = w.id
WHERE s.slug = $1

-- name: find_by_domain
SELECT w.* FROM catalog.tenant_known AS w JOIN catalog.domain AS d ON d.tenant_id = w.id
WHERE d.name = $1

-- name: find_many
SELECT * FROM catalog.tenant_known WHERE id = ANY($1::uuid[])

-- name: page_by_id
SELECT * FROM catalog.tenant_known WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2

-- name: list
SELECT * FROM catalog.tenant_known
WHERE ($1::text IS NULL OR slug > $1)
    AND ($2::text IS NULL OR plan = $2)
    AND ($3::text IS NULL OR tier = $3)
    AND ($4::text IS NULL OR status = $4)
    AND ($5::text IS NULL OR position(lower($5) IN slug) > 0 OR position(lower($5) IN lower(name)) > 0)
    AND ($6::text IS NULL OR cluster = $6)
    AND ($7::text IS NULL OR coalesce(standing, 'good') = $7)
ORDER BY slug LIMIT $8

-- name: is_reserved
SELECT reason FROM catalog.reserved_slug WHERE slug = $1

-- name: create
WITH taken AS (
    INSERT INTO catalog.slug (slug, tenant_id, is_current) VALUES ($2, $1, true)
    ON CONFLICT DO NOTHING RETURNING slug
)
INSERT INTO catalog.tenant (id, slug, name, isolation, plan, plan_version)
SELECT $1, taken.slug, $3, $4, $5, $6 FROM taken
RETURNING id

-- name: lock
SELECT slug FROM catalog.tenant WHERE id = $1 FOR NO KEY UPDATE

-- name: retire_slug
UPDATE catalog.slug SET is_current = false WHERE tenant_id = $1 AND is_current

-- name: take_slug
INSERT INTO catalog.slug AS s (slug, tenant_id, is_current) VALUES ($2, $1, true)
ON CONFLICT (slug) DO UPDATE SET is_current = true, since = now() WHERE s.tenant_id = $1
RETURNING slug

-- name: set_slug
UPDATE catalog.tenant SET slug = $2, changed_at = now() WHERE id = $1

-- name: set_status
UPDATE catalog.tenant SET status = $2, changed_at = now()
WHERE id = $1 AND (status <> 'erased' OR $2 = 'erased') RETURNING id

-- name: set_name
UPDATE catalog.tenant SET name = $2, changed_at = now() WHERE id = $1 RETURNING id

-- name: set_isolation
UPDATE catalog.tenant SET isolation = $2, changed_at = now() WHERE id = $1 RETURNING id

-- name: set_plan
UPDATE catalog.tenant SET plan = $2, plan_version = $3, changed_at = now() WHERE id = $1
RETURNING id

-- name: pin
UPDATE catalog.tenant
SET pinned_tier = $2, pinned_cluster = $3, pin_reason = $4, changed_at = now()
WHERE id = $1 RETURNING id

-- name: old_slugs
SELECT slug, tenant_id FROM catalog.slug WHERE NOT is_current

-- name: domains
SELECT name, tenant_id FROM catalog.domain

-- name: reserve_slugs
INSERT INTO catalog.reserved_slug (slug, reason) SELECT unnest($1::text[]), $2
ON CONFLICT DO NOTHING
