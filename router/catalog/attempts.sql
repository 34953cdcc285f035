-- Tries within a window. The window begins with the first try and never grows.

-- name: take
INSERT INTO catalog.attempt AS a (kind, subject, count, ends_at)
SELECT each.kind, each.subject, 1, now() + each.life
FROM unnest($1::text[], $2::bytea[], $3::interval[]) AS each (kind, subject, life)
ORDER BY each.kind, each.subject
ON CONFLICT (kind, subject) DO UPDATE
SET count = CASE WHEN a.ends_at <= now() THEN 1 ELSE a.count + 1 END,
    ends_at = CASE WHEN a.ends_at <= now() THEN excluded.ends_at ELSE a.ends_at END
RETURNING kind, count, ends_at - now() AS rest

-- name: forgive
UPDATE catalog.attempt AS a SET count = greatest(a.count - 1, 0)
FROM unnest($1::text[], $2::bytea[]) AS each (kind, subject)
WHERE a.kind = each.kind AND a.subject = each.subject

-- name: forget_old
DELETE FROM catalog.attempt WHERE ends_at < now()
