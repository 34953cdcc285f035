-- Notices to a tenant's people.

-- name: give
-- Once for each topic. One that had ended and holds again is given again.
INSERT INTO catalog.notice AS n (id, tenant_id, kind, topic, said, detail, due_at)
VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7)
ON CONFLICT (tenant_id, kind, topic) DO UPDATE
SET said = excluded.said, detail = excluded.detail, due_at = excluded.due_at, at = now(),
    ended_at = NULL
WHERE n.ended_at IS NOT NULL
RETURNING n.id

-- name: end_others
-- $2 are the kinds that hold only as long as they are said; $3 with $4 are those that are.
UPDATE catalog.notice AS n SET ended_at = now()
WHERE n.tenant_id = $1 AND n.ended_at IS NULL AND n.kind = ANY ($2::text[])
    AND NOT EXISTS (
        SELECT FROM unnest($3::text[], $4::text[]) AS said (kind, topic)
        WHERE said.kind = n.kind AND said.topic = n.topic)

-- name: end
UPDATE catalog.notice SET ended_at = now()
WHERE tenant_id = $1 AND kind = $2 AND ended_at IS NULL

-- name: list
SELECT id, kind, topic, said, detail::text AS detail, due_at, at, ended_at
FROM catalog.notice
WHERE tenant_id = $1 AND (ended_at IS NULL OR $2)
ORDER BY at DESC, id LIMIT $3
