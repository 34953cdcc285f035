-- What workers saw last.

-- name: begin
-- One worker begins a look when it is due; one that died in the middle is followed when it is again.
INSERT INTO catalog.look AS l (kind, about) VALUES ($1, $2)
ON CONFLICT (kind, about) DO UPDATE SET began_at = now() WHERE l.began_at < now() - $3::interval
RETURNING began_at

-- name: end
INSERT INTO catalog.look AS l (kind, about, ended_at, found) VALUES ($1, $2, now(), $3::text::jsonb)
ON CONFLICT (kind, about) DO UPDATE
SET ended_at = excluded.ended_at, found = excluded.found, error = NULL

-- name: fail
UPDATE catalog.look SET error = $3 WHERE kind = $1 AND about = $2

-- name: last
SELECT about, began_at, ended_at, found::text AS found, error FROM catalog.look
WHERE kind = $1 ORDER BY about

-- name: forget_others
DELETE FROM catalog.look WHERE kind = $1 AND NOT about = ANY($2::text[])
