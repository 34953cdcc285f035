-- Rules of mail, asked of the catalog. Each names what it finds: object, detail. The section
-- `given` goes in front of every other one; $1 is what the examination knows, as JSON.

-- name: given
WITH asked AS (
    SELECT $1::jsonb AS facts
)

-- name: letter_waiting
SELECT 'catalog.letter' AS object,
    format('%s letters, the oldest of %s: %s', count(*), min(l.made_at),
        coalesce((array_agg(l.error ORDER BY l.made_at) FILTER (WHERE l.error IS NOT NULL))[1],
            'nobody has tried to send it')) AS detail
FROM catalog.letter AS l
WHERE l.sent_at IS NULL AND l.given_up_at IS NULL AND l.made_at < now() - interval '10 minutes'
HAVING count(*) > 0

-- name: letter_given_up
SELECT l.kind AS object, format('%s letters, the last of them: %s', count(*),
    (array_agg(l.error ORDER BY l.given_up_at DESC))[1]) AS detail
FROM catalog.letter AS l
WHERE l.given_up_at > now() - interval '1 day'
GROUP BY l.kind
