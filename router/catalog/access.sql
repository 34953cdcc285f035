-- Staff's access to a tenant's rows: asked for, approved, begun, ended, and what was done with it.

-- name: ask
INSERT INTO catalog.access (id, tenant_id, mode, reason, ticket, minutes, requested_by)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: find
SELECT id, tenant_id, slug, mode, reason, ticket, minutes, requested_by, requested_at, approved_by,
    approved_at, begun_at, ends_at, ended_at, ended_by, requests, state
FROM catalog.access_whole WHERE id = $1

-- name: lock
SELECT FROM catalog.access WHERE id = $1 FOR NO KEY UPDATE

-- name: list
SELECT id, tenant_id, slug, mode, reason, ticket, minutes, requested_by, requested_at, approved_by,
    approved_at, begun_at, ends_at, ended_at, ended_by, requests, state
FROM catalog.access_whole AS a
WHERE ($1::uuid IS NULL OR a.tenant_id = $1)
    AND ($2::text IS NULL OR a.state = $2)
    AND ($3::uuid IS NULL OR (a.requested_at, a.id) < (
        SELECT b.requested_at, b.id FROM catalog.access AS b WHERE b.id = $3))
ORDER BY a.requested_at DESC, a.id DESC LIMIT $4

-- name: approve
UPDATE catalog.access SET approved_by = $2, approved_at = now() WHERE id = $1

-- name: enter
UPDATE catalog.access SET token_hash = $2, begun_at = now(),
    ends_at = now() + minutes * interval '1 minute'
WHERE id = $1

-- name: end
UPDATE catalog.access SET ended_at = now(), ended_by = $2 WHERE id = $1

-- name: run_out
UPDATE catalog.access SET ended_at = ends_at WHERE id = $1

-- name: open_of
SELECT id FROM catalog.access WHERE requested_by = $1 AND ended_at IS NULL ORDER BY id

-- name: list_run_out
SELECT id FROM catalog.access WHERE ended_at IS NULL AND ends_at <= now() ORDER BY ends_at LIMIT $1

-- name: digest
SELECT encode(sha256(convert_to(coalesce(string_agg(encode(sha256(convert_to(jsonb_build_array(
    l.position, extract(epoch FROM l.at), l.request_id, l.method, l.path, l.status, s.told)::text,
    'UTF8')), 'hex'), '' ORDER BY l.position), ''), 'UTF8')), 'hex')
FROM catalog.access_line AS l
LEFT JOIN LATERAL (
    SELECT jsonb_agg(s.text ORDER BY s.number) AS told FROM catalog.access_statement AS s
    WHERE s.access_id = l.access_id AND s.position = l.position
) AS s ON true
WHERE l.access_id = $1

-- name: begin_line
WITH counted AS (
    UPDATE catalog.access SET requests = requests + 1
    WHERE id = $1 AND ended_at IS NULL AND ends_at > now() AND requests < $5
    RETURNING id, requests
)
INSERT INTO catalog.access_line (access_id, position, request_id, method, path)
SELECT id, requests, $2, $3, $4 FROM counted
RETURNING position

-- name: tell
-- Held against whoever ends it now: what comes after the end is neither told nor run.
WITH held AS (
    SELECT id FROM catalog.access
    WHERE id = $1 AND ended_at IS NULL AND ends_at > clock_timestamp() FOR SHARE
)
INSERT INTO catalog.access_statement (access_id, position, number, text)
SELECT id, $2, $3, $4 FROM held
RETURNING true

-- name: finish_line
WITH held AS (
    SELECT id FROM catalog.access
    WHERE id = $1 AND ended_at IS NULL AND ends_at > clock_timestamp() FOR SHARE
)
UPDATE catalog.access_line AS l SET status = $3
FROM held WHERE l.access_id = held.id AND l.position = $2
RETURNING true

-- name: lines
SELECT l.position, l.at, l.request_id, l.method, l.path, l.status, coalesce((
    SELECT array_agg(s.text ORDER BY s.number) FROM catalog.access_statement AS s
    WHERE s.access_id = l.access_id AND s.position = l.position), '{}') AS statements
FROM catalog.access_line AS l
WHERE l.access_id = $1 AND l.position > $2::bigint ORDER BY l.position LIMIT $3

-- name: vouched
SELECT detail ->> 'transcript' AS transcript FROM catalog.audit
WHERE tenant_id = $1 AND action = 'access.end' AND target = $2
