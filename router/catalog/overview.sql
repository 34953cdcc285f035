-- What operators see first: each figure by an index, or by a walk over tenants and nothing larger.

-- name: tenants
SELECT p.tier, t.status, count(*) AS tenants
FROM catalog.tenant AS t LEFT JOIN catalog.placement AS p ON p.tenant_id = t.id
WHERE t.status <> 'erased'
GROUP BY p.tier, t.status ORDER BY p.tier, t.status

-- name: figures
-- $1: what ended before it failed too long ago to be news.
SELECT
    (SELECT count(*) FROM catalog.tenant AS t
        JOIN catalog.plan AS p ON p.name = t.plan
        JOIN catalog.placement AS l ON l.tenant_id = t.id
        WHERE t.status = 'active' AND (l.tier <> coalesce(t.pinned_tier, p.tier)
            OR l.cluster <> t.pinned_cluster)) AS tenants_elsewhere,
    (SELECT count(*) FROM catalog.move AS m
        JOIN catalog.operation AS o ON o.id = coalesce(m.undo_id, m.id)
        WHERE m.ended_at IS NULL AND o.state IN ('waiting', 'running')) AS moves_running,
    (SELECT count(*) FROM catalog.move AS m JOIN catalog.move_hold AS h ON h.move_id = m.id
        WHERE m.ended_at IS NULL AND m.decided_at IS NULL
            AND h.paused_at IS NOT NULL) AS moves_paused,
    (SELECT count(*) FROM catalog.move AS m JOIN catalog.move_hold AS h ON h.move_id = m.id
        WHERE m.ended_at IS NULL AND m.decided_at IS NULL
            AND h.held_at IS NOT NULL) AS moves_held,
    (SELECT count(*) FROM catalog.operation AS o
        WHERE o.error IS NOT NULL AND o.state = 'failed' AND o.kind IN ('move', 'undo', 'settle', 'keep')
            AND o.finished_at > now() - $1::interval) AS moves_failed,
    (SELECT count(*) FROM catalog.operation AS o
        WHERE o.error IS NOT NULL AND o.state = 'failed'
            AND o.finished_at > now() - $1::interval) AS operations_failed,
    (SELECT count(*) FROM catalog.operation AS o
        WHERE o.error IS NOT NULL AND o.state IN ('waiting', 'running')) AS operations_retrying,
    (SELECT count(*) FROM catalog.inbox WHERE state = 'waiting') AS events_waiting,
    (SELECT count(*) FROM catalog.inbox WHERE state = 'kept') AS events_kept,
    (SELECT coalesce(extract(epoch FROM now() - min(received_at)), 0)::float8 FROM catalog.inbox
        WHERE state = 'waiting') AS events_oldest_s,
    (SELECT count(*) FROM catalog.billing
        WHERE problem IS NOT NULL OR error IS NOT NULL) AS accounts_in_trouble,
    (SELECT count(*) FROM catalog.letter
        WHERE sent_at IS NULL AND given_up_at IS NULL) AS letters_waiting,
    (SELECT count(*) FROM catalog.letter
        WHERE sent_at IS NULL AND given_up_at IS NULL AND error IS NOT NULL) AS letters_postponed,
    (SELECT count(*) FROM catalog.letter
        WHERE given_up_at > now() - $1::interval) AS letters_given_up,
    (SELECT count(*) FROM catalog.access
        WHERE ended_at IS NULL AND ends_at > now()) AS accesses_active,
    now() AS at
