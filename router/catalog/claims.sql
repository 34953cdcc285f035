-- Domains: claimed by many, shown by one, and then served.

-- name: list
SELECT * FROM catalog.domain_claim WHERE tenant_id = $1 ORDER BY name

-- name: find
SELECT * FROM catalog.domain_claim WHERE tenant_id = $1 AND name = $2

-- name: count
SELECT count(*) FROM catalog.domain_claim WHERE tenant_id = $1

-- name: hold_tenant
SELECT FROM catalog.tenant WHERE id = $1 FOR NO KEY UPDATE

-- name: put
INSERT INTO catalog.domain_claim AS c (tenant_id, name, token, expires_at)
VALUES ($1, $2, $3, now() + $4::interval)
ON CONFLICT (tenant_id, name) DO UPDATE SET
    expires_at = CASE WHEN c.verified_at IS NULL THEN excluded.expires_at END
RETURNING *

-- name: hold
-- All claims of one name: whoever looks at one of them decides over the others too.
SELECT * FROM catalog.domain_claim WHERE name = $1 ORDER BY tenant_id FOR UPDATE

-- name: verified
UPDATE catalog.domain_claim
SET verified_at = coalesce(verified_at, now()), expires_at = NULL, off_at = NULL, problem = NULL,
    checked_at = now(), check_at = now() + $3::interval
WHERE tenant_id = $1 AND name = $2

-- name: missing
UPDATE catalog.domain_claim
SET problem = $3, checked_at = now(), check_at = now() + $4::interval
WHERE tenant_id = $1 AND name = $2

-- name: warn
UPDATE catalog.domain_claim
SET problem = $3, checked_at = now(), off_at = now() + $5::interval,
    check_at = now() + least($4::interval, $5::interval)
WHERE tenant_id = $1 AND name = $2

-- name: off
UPDATE catalog.domain_claim
SET verified_at = NULL, off_at = NULL, expires_at = now() + $4::interval, problem = $3,
    checked_at = now(), check_at = now() + $5::interval
WHERE tenant_id = $1 AND name = $2

-- name: remove
DELETE FROM catalog.domain_claim WHERE tenant_id = $1 AND name = $2 RETURNING name

-- name: serve
INSERT INTO catalog.domain AS d (name, tenant_id) VALUES ($2, $1)
ON CONFLICT (name) DO UPDATE SET tenant_id = excluded.tenant_id, verified_at = now()
WHERE d.tenant_id <> excluded.tenant_id

-- name: stop
DELETE FROM catalog.domain WHERE tenant_id = $1 AND name = $2

-- name: due
-- Each is taken by one worker, and by another one later should that one die.
UPDATE catalog.domain_claim AS c SET check_at = now() + $2::interval
FROM (SELECT tenant_id, name FROM catalog.domain_claim WHERE check_at <= now()
    ORDER BY check_at LIMIT $1 FOR UPDATE SKIP LOCKED) AS taken
WHERE (c.tenant_id, c.name) = (taken.tenant_id, taken.name) RETURNING c.*

-- name: forget_expired
DELETE FROM catalog.domain_claim WHERE expires_at < now()
