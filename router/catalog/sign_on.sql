-- A tenant's own identity provider, the domains that lead to it, and sign-ons under way.

-- name: put
INSERT INTO catalog.single_sign_on (tenant_id, issuer, client_id, secret_sealed, is_required)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant_id) DO UPDATE
SET issuer = excluded.issuer, client_id = excluded.client_id,
    secret_sealed = excluded.secret_sealed, is_required = excluded.is_required, changed_at = now()

-- name: put_domains
WITH gone AS (
    DELETE FROM catalog.sign_on_domain WHERE tenant_id = $1 AND domain <> ALL ($2::text[])
)
INSERT INTO catalog.sign_on_domain (domain, tenant_id)
SELECT each.domain, $1 FROM unnest($2::text[]) AS each (domain)
ON CONFLICT (domain) DO NOTHING

-- name: find
SELECT s.tenant_id, s.issuer, s.client_id, s.secret_sealed, s.is_required, s.changed_at,
    coalesce((SELECT array_agg(d.domain ORDER BY d.domain) FROM catalog.sign_on_domain AS d
        WHERE d.tenant_id = s.tenant_id), '{}') AS domains
FROM catalog.single_sign_on AS s WHERE s.tenant_id = $1

-- name: find_by_domain
SELECT s.tenant_id FROM catalog.sign_on_domain AS d
JOIN catalog.single_sign_on AS s ON s.tenant_id = d.tenant_id
JOIN catalog.tenant AS t ON t.id = s.tenant_id
WHERE d.domain = $1 AND t.status <> 'erased'

-- name: find_by_slug
SELECT s.tenant_id FROM catalog.slug AS w
JOIN catalog.single_sign_on AS s ON s.tenant_id = w.tenant_id
JOIN catalog.tenant AS t ON t.id = s.tenant_id
WHERE w.slug = $1 AND t.status <> 'erased'

-- name: keep_trial
INSERT INTO catalog.sign_on_trial (tenant_id, is_good, told) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id) DO UPDATE
SET tried_at = now(), is_good = excluded.is_good, told = excluded.told
RETURNING tried_at

-- name: trial_of
SELECT tried_at, is_good, told FROM catalog.sign_on_trial WHERE tenant_id = $1

-- name: drop_trial
DELETE FROM catalog.sign_on_trial WHERE tenant_id = $1

-- name: remove
DELETE FROM catalog.single_sign_on WHERE tenant_id = $1 RETURNING tenant_id

-- name: has_domain
-- Whoever has a domain has what is below it, and nothing above: a name below somebody else's domain
-- is easily had.
SELECT EXISTS (
    SELECT FROM catalog.domain
    WHERE tenant_id = $1 AND verified_at IS NOT NULL AND ($2 = name OR $2 LIKE '%.' || name))

-- name: begin
INSERT INTO catalog.sign_on_round
    (state_hash, browser_hash, tenant_id, issuer, kept_sealed, expires_at)
VALUES ($1, $2, $3, $4, $5, now() + $6::interval)

-- name: end
-- Used up by being looked at, whoever looks.
DELETE FROM catalog.sign_on_round WHERE state_hash = $1
RETURNING browser_hash, tenant_id, issuer, kept_sealed, expires_at > now() AS is_open

-- name: forget_old
DELETE FROM catalog.sign_on_round WHERE expires_at < now()

-- name: account_of
SELECT account_id FROM catalog.sign_on_subject
WHERE tenant_id = $1 AND issuer = $2 AND subject = $3

-- name: is_tied
SELECT EXISTS (SELECT FROM catalog.sign_on_subject
    WHERE tenant_id = $1 AND issuer = $2 AND account_id = $3)

-- name: tie
INSERT INTO catalog.sign_on_subject (tenant_id, issuer, subject, account_id)
VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING account_id

-- name: open_invitation
SELECT role FROM catalog.invitation
WHERE tenant_id = $1 AND email = $2 AND accepted_at IS NULL AND expires_at > now()

-- name: use_invitation
UPDATE catalog.invitation SET accepted_at = now()
WHERE tenant_id = $1 AND email = $2 AND accepted_at IS NULL AND expires_at > now()
RETURNING role
