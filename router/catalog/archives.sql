-- Exports, deletions, certificates; and tenants that are taken away before they were ever served.

-- name: record_export
INSERT INTO catalog.export (id, tenant_id, requested_by) VALUES ($1, $2, $3)

-- name: find_export
SELECT e.*, o.state, o.step, o.attempts, o.error
FROM catalog.export AS e JOIN catalog.operation AS o ON o.id = e.id
WHERE e.id = $1 AND ($2::uuid IS NULL OR e.tenant_id = $2)

-- name: find_open_export
SELECT e.id FROM catalog.export AS e JOIN catalog.operation AS o ON o.id = e.id
WHERE e.tenant_id = $1 AND o.state IN ('waiting', 'running')

-- name: count_kept_exports
SELECT count(*) FROM catalog.export
WHERE tenant_id = $1 AND made_at IS NOT NULL AND forgotten_at IS NULL

-- name: list_exports
SELECT e.*, o.state, o.step, o.attempts, o.error
FROM catalog.export AS e JOIN catalog.operation AS o ON o.id = e.id
WHERE e.tenant_id = $1 AND ($2::uuid IS NULL OR (e.requested_at, e.id) <
    (SELECT b.requested_at, b.id FROM catalog.export AS b WHERE b.id = $2))
ORDER BY e.requested_at DESC, e.id DESC LIMIT $3

-- name: note_export
UPDATE catalog.export AS e SET rows_done = $3, bytes_done = $4, rows_total = $5
FROM catalog.operation AS o
WHERE e.id = $1 AND o.id = e.id AND o.fencing_token = $2 AND o.state = 'running'
RETURNING e.cancel_requested_at

-- name: made_export
UPDATE catalog.export
SET made_at = now(), taken_at = $2, rows_done = $3, rows_total = $3, bytes_done = $4, file_bytes = $5, sha256 = $6,
    expires_at = now() + $7::interval
WHERE id = $1 AND made_at IS NULL

-- name: cancel_export
UPDATE catalog.export SET cancel_requested_at = coalesce(cancel_requested_at, now()) WHERE id = $1

-- name: end_unbegun
UPDATE catalog.operation SET state = 'cancelled', finished_at = now()
WHERE id = $1 AND state = 'waiting' RETURNING id

-- name: forget_export
UPDATE catalog.export SET forgotten_at = now()
WHERE id = $1 AND made_at IS NOT NULL AND forgotten_at IS NULL

-- name: exports_to_forget
SELECT id FROM catalog.export
WHERE made_at IS NOT NULL AND forgotten_at IS NULL AND expires_at < now()
ORDER BY expires_at LIMIT $1

-- name: exports_of
SELECT id FROM catalog.export
WHERE tenant_id = $1 AND made_at IS NOT NULL AND forgotten_at IS NULL

-- name: record_deletion
INSERT INTO catalog.deletion (id, tenant_id, requested_by, reason, due_at)
SELECT o.id, $2, $3, $4, o.not_before FROM catalog.operation AS o WHERE o.id = $1

-- name: find_deletion
SELECT d.id, d.tenant_id, d.requested_by, d.requested_at, d.reason, d.due_at, d.closed_at,
    o.state, o.step, o.error
FROM catalog.deletion AS d JOIN catalog.operation AS o ON o.id = d.id
WHERE d.tenant_id = $1 AND d.taken_back_at IS NULL

-- name: hurry_deletion
UPDATE catalog.deletion SET due_at = now() WHERE id = $1 AND due_at > now()

-- name: hurry_operation
UPDATE catalog.operation SET not_before = now() + $2::interval, state = 'waiting', finished_at = NULL,
    attempts = CASE WHEN state = 'failed' THEN 0 ELSE attempts END
WHERE id = $1 AND state IN ('waiting', 'failed')

-- name: take_back_deletion
UPDATE catalog.deletion SET taken_back_at = now(), taken_back_by = $2
WHERE id = $1 AND closed_at IS NULL AND taken_back_at IS NULL RETURNING id

-- name: end_operation
UPDATE catalog.operation SET state = 'cancelled', finished_at = coalesce(finished_at, now())
WHERE id = $1 AND state IN ('waiting', 'failed') RETURNING id

-- name: close_deletion
UPDATE catalog.deletion SET closed_at = coalesce(closed_at, now())
WHERE id = $1 AND taken_back_at IS NULL RETURNING closed_at

-- name: end_sessions
UPDATE catalog.session SET ended_at = now() WHERE tenant_id = $1 AND ended_at IS NULL

-- name: revoke_keys
UPDATE catalog.api_key SET revoked_at = now() WHERE tenant_id = $1 AND revoked_at IS NULL

-- name: drop_invitations
DELETE FROM catalog.invitation WHERE tenant_id = $1

-- name: drop_memberships
DELETE FROM catalog.membership WHERE tenant_id = $1

-- name: drop_roles
DELETE FROM catalog.custom_role WHERE tenant_id = $1

-- name: drop_domains
DELETE FROM catalog.domain WHERE tenant_id = $1

-- name: drop_claims
DELETE FROM catalog.domain_claim WHERE tenant_id = $1

-- name: drop_sign_on
-- Its domains, what is under way and the last trial go with it.
DELETE FROM catalog.single_sign_on WHERE tenant_id = $1

-- name: drop_subjects
DELETE FROM catalog.sign_on_subject WHERE tenant_id = $1

-- name: drop_placement
DELETE FROM catalog.placement WHERE tenant_id = $1

-- name: certify
INSERT INTO catalog.certificate (id, tenant_id, erased_at, document, sha256)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING

-- name: forget_owners
UPDATE catalog.operation SET data = data - 'owners' WHERE id = $1

-- name: find_certificate
SELECT document, sha256 FROM catalog.certificate WHERE tenant_id = $1

-- name: former_places
-- Every place that the tenant ever had or was to have.
SELECT DISTINCT p.place::text AS place
FROM catalog.move AS m CROSS JOIN LATERAL (VALUES (m.source), (m.target)) AS p(place)
WHERE m.tenant_id = $1

-- name: shared_databases
SELECT name AS cluster, shared_database AS database FROM catalog.cluster WHERE role = 'shared'
ORDER BY name

-- name: owners
SELECT a.email FROM catalog.membership AS m JOIN catalog.account AS a ON a.id = m.account_id
WHERE m.tenant_id = $1 AND m.role = 'owner' ORDER BY m.created_at, a.email

-- name: is_unborn
SELECT id FROM catalog.tenant AS t WHERE id = $1 AND status = 'provisioning'
    AND NOT EXISTS (SELECT FROM catalog.placement AS p WHERE p.tenant_id = t.id)
FOR UPDATE

-- name: let_go_operation
-- The operation outlives the tenant that it was to make.
UPDATE catalog.operation SET tenant_id = NULL WHERE id = $1 AND tenant_id = $2

-- name: drop_unborn_slug
DELETE FROM catalog.slug WHERE tenant_id = $1

-- name: drop_unborn
DELETE FROM catalog.tenant WHERE id = $1
