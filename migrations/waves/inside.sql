-- What a migration reads and writes in a database that holds places. Run as the administrator.

-- name: look
-- Every schema of the database at once. Notes are told only where they aren't what is expected.
WITH known AS (
    SELECT k.revision, k.sql_hash FROM unnest($1::text[], $2::text[]) AS k(revision, sql_hash)
), counted AS (
    SELECT a.schema_name, count(*) AS noted,
        count(*) FILTER (WHERE a.is_whole AND k.revision IS NOT NULL) AS matched
    FROM gate.applied AS a
    LEFT JOIN known AS k ON k.revision = a.revision AND k.sql_hash = a.sql_hash
    GROUP BY a.schema_name
)
SELECT r.schema_name, r.revision,
    CASE WHEN c.noted = c.matched AND c.matched = cardinality($1::text[]) THEN NULL
    ELSE coalesce((
        SELECT jsonb_agg(jsonb_build_object('revision', a.revision, 'sql_hash', a.sql_hash,
            'steps_done', a.steps_done, 'is_whole', a.is_whole))
        FROM gate.applied AS a WHERE a.schema_name = r.schema_name), '[]') END::text AS notes
FROM gate.revision AS r LEFT JOIN counted AS c ON c.schema_name = r.schema_name

-- name: hold
-- In one order everywhere, so that two runners never wait for each other in a circle.
SELECT r.schema_name FROM gate.revision AS r WHERE r.schema_name = ANY($1::text[])
ORDER BY r.schema_name FOR UPDATE

-- name: notes
-- Asked when the places are held, so that nobody's note comes later. A bare one is of before
-- revisions were noted one by one.
SELECT s.schema_name, a.revision, a.steps_done, a.is_whole,
    NOT EXISTS (SELECT FROM gate.applied AS b WHERE b.schema_name = s.schema_name) AS is_bare
FROM unnest($1::text[]) AS s(schema_name)
LEFT JOIN gate.applied AS a ON a.schema_name = s.schema_name AND a.revision = ANY($2::text[])

-- name: note
INSERT INTO gate.applied AS a (schema_name, revision, sql_hash, steps_done, is_whole)
SELECT s.schema_name, $2, $3, $4, false FROM unnest($1::text[]) AS s(schema_name)
ON CONFLICT (schema_name, revision) DO UPDATE SET sql_hash = excluded.sql_hash,
    steps_done = excluded.steps_done, is_whole = false, progress = NULL, changed_at = now()

-- name: note_whole
WITH noted AS (
    INSERT INTO gate.applied AS a (schema_name, revision, sql_hash, steps_done, is_whole)
    SELECT s.schema_name, $2, $3, $4, true FROM unnest($1::text[]) AS s(schema_name)
    ON CONFLICT (schema_name, revision) DO UPDATE SET sql_hash = excluded.sql_hash,
        steps_done = excluded.steps_done, is_whole = true, progress = NULL, changed_at = now()
)
UPDATE gate.revision SET revision = $5, changed_at = now() WHERE schema_name = ANY($1::text[])

-- name: begin_step
-- progress stays: it is where the step goes on, or nothing.
INSERT INTO gate.applied AS a (schema_name, revision, sql_hash, steps_done, is_whole)
VALUES ($1, $2, $3, $4, false)
ON CONFLICT (schema_name, revision) DO UPDATE SET sql_hash = excluded.sql_hash,
    steps_done = excluded.steps_done, is_whole = false, changed_at = now()

-- name: unnote
DELETE FROM gate.applied WHERE schema_name = ANY($1::text[]) AND revision = $2

-- name: reach
UPDATE gate.revision SET revision = $2, changed_at = now() WHERE schema_name = ANY($1::text[])

-- name: lock_alone
-- Held by the session: who died in the midst of building an index goes on building for a while.
SELECT pg_try_advisory_lock(hashtextextended('stepwell migration ' || $1::text, 7003771008))

-- name: unlock_alone
SELECT pg_advisory_unlock(hashtextextended('stepwell migration ' || $1::text, 7003771008))

-- name: grantees
-- Whose login uses a schema: adopt() gives it its rights.
SELECT DISTINCT ON (n.nspname) n.nspname::text AS schema_name, pg_get_userbyid(x.grantee)::text AS grantee
FROM pg_namespace AS n, aclexplode(n.nspacl) AS x
WHERE n.nspname = ANY($1::text[]) AND x.privilege_type = 'USAGE' AND x.grantee NOT IN (0, n.nspowner)
ORDER BY n.nspname, x.grantee

-- name: holders
-- Who keeps tables of a schema from being altered: who isn't at work, and has been so for longest.
SELECT a.pid, a.state, a.application_name, a.usename,
    round(extract(epoch FROM now() - a.xact_start))::integer AS held_s,
    string_agg(DISTINCT c.relname, ', ') AS tables
FROM pg_locks AS l
JOIN pg_class AS c ON c.oid = l.relation
JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE n.nspname = $1 AND l.granted AND a.pid <> pg_backend_pid()
    AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
GROUP BY a.pid, a.state, a.application_name, a.usename, a.xact_start
ORDER BY a.xact_start LIMIT 3

-- name: remember
-- What a place of before revisions were noted one by one has had all along.
INSERT INTO gate.applied (schema_name, revision, sql_hash, steps_done, is_whole)
SELECT s.schema_name, k.revision, k.sql_hash, 0, true
FROM unnest($1::text[]) AS s(schema_name)
CROSS JOIN unnest($2::text[], $3::text[]) AS k(revision, sql_hash)
WHERE NOT EXISTS (SELECT FROM gate.applied AS a WHERE a.schema_name = s.schema_name)
