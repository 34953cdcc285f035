-- Migrations of the product and their ledger. Every write of a runner names its fencing token.

-- name: take_turns
-- Whoever marks places as at work, and whoever begins to move a tenant, does so one after another.
SELECT pg_advisory_xact_lock(7003771008)

-- name: hold
SELECT id FROM catalog.operation WHERE id = $1 AND fencing_token = $2 AND state = 'running' FOR SHARE

-- name: places
-- tenants counts those that are served there; erased ones have no place any more.
SELECT c.name AS cluster, c.shared_database AS database, 'shared' AS schema_name, 'rows' AS tier
FROM catalog.cluster AS c WHERE c.role = 'shared'
UNION
SELECT p.cluster, p.database, p.schema_name, p.tier
FROM catalog.placement AS p JOIN catalog.tenant AS t ON t.id = p.tenant_id
WHERE t.status <> 'erased'
ORDER BY cluster, database, schema_name

-- name: place_of_tenant
SELECT t.slug, p.cluster, p.database, p.schema_name, p.tier
FROM catalog.tenant AS t LEFT JOIN catalog.placement AS p ON p.tenant_id = t.id
WHERE t.id = (SELECT s.tenant_id FROM catalog.slug AS s WHERE s.slug = $1) OR t.id::text = $1

-- name: moving_places
-- Moves whose tables must stay as they are, until they are settled, undone or ended.
SELECT m.id, t.slug, m.source ->> 'cluster' AS source_cluster, m.source ->> 'database' AS source_database,
    m.source ->> 'schema' AS source_schema, m.target ->> 'cluster' AS target_cluster,
    m.target ->> 'database' AS target_database, m.target ->> 'schema' AS target_schema,
    m.decided_at IS NOT NULL AS is_decided, m.settle_after
FROM catalog.move AS m
JOIN catalog.tenant AS t ON t.id = m.tenant_id
WHERE m.ended_at IS NULL

-- name: at_work
-- Which of two places a migration works at.
SELECT r.migration FROM catalog.place_revision AS r
JOIN unnest($1::text[], $2::text[], $3::text[]) AS g(cluster, database, schema_name)
    USING (cluster, database, schema_name)
WHERE r.state = 'running' LIMIT 1

-- name: begin
INSERT INTO catalog.migration (id, target, source, direction, rules, waves, requested_by, reason)
VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7, $8)

-- name: find
SELECT * FROM catalog.migration_whole WHERE id = $1

-- name: find_open
SELECT * FROM catalog.migration_whole WHERE ended_at IS NULL

-- name: latest_done
SELECT target FROM catalog.migration_whole WHERE state = 'done' AND ended_at IS NOT NULL
ORDER BY ended_at DESC LIMIT 1

-- name: latest_whole
SELECT * FROM catalog.migration_whole WHERE state = 'done' AND ended_at IS NOT NULL
ORDER BY ended_at DESC LIMIT 1

-- name: revision_at
SELECT revision FROM catalog.place WHERE (cluster, database, schema_name) = ($1, $2, $3)

-- name: list
SELECT * FROM catalog.migration_whole
WHERE ($1::uuid IS NULL OR (requested_at, id) <
    (SELECT b.requested_at, b.id FROM catalog.migration AS b WHERE b.id = $1))
ORDER BY requested_at DESC, id DESC LIMIT $2

-- name: set_rules
UPDATE catalog.migration SET rules = $2::text::jsonb WHERE id = $1

-- name: set_wave
UPDATE catalog.migration SET wave = $2 WHERE id = $1 AND wave < $2

-- name: pause
UPDATE catalog.migration SET paused_at = now(), paused_by = $2
WHERE id = $1 AND ended_at IS NULL AND paused_at IS NULL

-- name: go_on
UPDATE catalog.migration SET paused_at = NULL, paused_by = NULL WHERE id = $1 AND ended_at IS NULL

-- name: wake
UPDATE catalog.operation SET state = 'waiting', not_before = now() + $2::interval, attempts = 0,
    error = NULL, finished_at = NULL
WHERE id = $1 AND state IN ('waiting', 'failed') RETURNING id

-- name: cancel
UPDATE catalog.operation SET state = 'cancelled', finished_at = now(), lease_owner = NULL,
    lease_until = NULL
WHERE id = $1 AND state IN ('waiting', 'failed') RETURNING id

-- name: end
UPDATE catalog.migration SET ended_at = now() WHERE id = $1 AND ended_at IS NULL

-- name: give_back
UPDATE catalog.place_revision SET state = 'pending', error = NULL
WHERE migration = $1 AND state IN ('failed', 'running')

-- name: skip_open
UPDATE catalog.place_revision SET state = 'skipped', error = $2, finished_at = now()
WHERE migration = $1 AND state IN ('pending', 'failed', 'running')

-- name: seen
INSERT INTO catalog.place AS p (cluster, database, schema_name, tier, revision)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[])
ON CONFLICT (cluster, database, schema_name) DO UPDATE
    SET tier = excluded.tier, revision = excluded.revision, changed_at = clock_timestamp()
    WHERE (p.tier, p.revision) IS DISTINCT FROM (excluded.tier, excluded.revision)

-- name: known_places
-- A commit may come a moment after what it says. Whoever was missed for longer is read with all.
SELECT cluster, database, schema_name, tier, revision, changed_at FROM catalog.place
WHERE $1::timestamptz IS NULL OR changed_at > $1::timestamptz - interval '2 seconds'

-- name: gone
DELETE FROM catalog.place AS p WHERE (p.cluster, p.database, p.schema_name) IN (
    SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))

-- name: entries
SELECT cluster, database, schema_name, revision, state, wave, attempts, started_at, finished_at, error,
    rows_filled
FROM catalog.place_revision WHERE migration = $1

-- name: write
-- A revision that a place took back may be brought there again by another migration.
INSERT INTO catalog.place_revision AS r
    (cluster, database, schema_name, revision, migration, state, wave, attempts, started_at,
    finished_at, error)
SELECT e.cluster, e.database, e.schema_name, e.revision, $1, e.state, e.wave, e.attempts,
    CASE WHEN e.state <> 'pending' THEN now() END,
    CASE WHEN e.state IN ('done', 'skipped', 'failed') THEN now() END, e.error
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::integer[],
    $8::integer[], $9::text[])
    AS e(cluster, database, schema_name, revision, state, wave, attempts, error)
ON CONFLICT (cluster, database, schema_name, revision) DO UPDATE
    SET migration = excluded.migration, state = excluded.state, wave = excluded.wave,
        attempts = excluded.attempts, error = excluded.error,
        started_at = CASE excluded.state WHEN 'pending' THEN NULL WHEN 'running' THEN now()
            ELSE coalesce(r.started_at, now()) END,
        finished_at = excluded.finished_at
    WHERE (r.migration, r.state, r.wave, r.attempts, r.error) IS DISTINCT FROM
        (excluded.migration, excluded.state, excluded.wave, excluded.attempts, excluded.error)

-- name: filled
WITH noted AS (
    UPDATE catalog.place_revision SET rows_filled = $5
    WHERE (cluster, database, schema_name, revision) = ($1, $2, $3, $4) RETURNING migration
)
SELECT m.id FROM catalog.migration AS m JOIN noted AS n ON n.migration = m.id
WHERE m.paused_at IS NOT NULL

-- name: counts
SELECT wave, state, count(DISTINCT (cluster, database, schema_name)) AS places,
    sum(rows_filled)::bigint AS rows_filled
FROM catalog.place_revision WHERE migration = $1 GROUP BY wave, state ORDER BY wave, state

-- name: failures
SELECT cluster, database, schema_name, revision, state, wave, attempts, started_at, finished_at, error
FROM catalog.place_revision WHERE migration = $1 AND error IS NOT NULL
ORDER BY state = 'failed' DESC, cluster, database, schema_name, revision LIMIT $2

-- name: ran
SELECT revision, sql_hash FROM catalog.product_revision

-- name: note_ran
INSERT INTO catalog.product_revision (revision, sql_hash)
SELECT * FROM unnest($1::text[], $2::text[]) ON CONFLICT (revision) DO NOTHING

-- name: forget_ran
DELETE FROM catalog.product_revision WHERE revision = ANY($1::text[])
