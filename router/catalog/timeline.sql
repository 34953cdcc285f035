-- What happened to a tenant, from all that remembers a part of it.

-- name: page
-- $2 are the kinds of deeds that are a part of its life, $3 single ones. A page begins after the
-- moment, the source and the id of the last event of the page before.
WITH event (at, source, id, what, by, said, reason, move) AS (
    SELECT at, 'audit', lpad(id::text, 20, '0'), action, actor,
        coalesce(
            (detail ->> 'from') || ' → ' || (detail ->> 'to'),
            (SELECT string_agg(replace(each.key, '_', ' ') || ' '
                || coalesce(translate(each.value, '[]"', ''), 'without limit'), ', ' ORDER BY each.key)
             FROM jsonb_each_text(detail -> 'limits') AS each),
            detail ->> 'plan', ''),
        reason, NULL::uuid
    FROM catalog.audit
    WHERE tenant_id = $1 AND (split_part(action, '.', 1) = ANY ($2::text[]) OR action = ANY ($3::text[]))
    UNION ALL
    SELECT each.at, 'move', m.id::text || '-' || each.position, each.what, 'worker',
        format('%s on %s → %s on %s', m.source ->> 'tier', m.source ->> 'cluster',
            m.target ->> 'tier', m.target ->> 'cluster') || each.said,
        m.reason, m.id
    FROM catalog.move AS m, LATERAL (VALUES
        (1, m.decided_at, 'move.done', format(', writers waited for %s ms', round(m.pause_ms::numeric, 1))),
        (2, m.undone_at, 'move.undone', ''),
        (3, m.settled_at, 'move.settled', '')
    ) AS each (position, at, what, said)
    WHERE m.tenant_id = $1 AND each.at IS NOT NULL
    UNION ALL
    SELECT at, 'notice', id::text, 'billing.told', 'billing', said, NULL, NULL
    FROM catalog.notice WHERE tenant_id = $1
    UNION ALL
    SELECT finished_at, 'operation', id::text, kind || '.' || state, 'worker', coalesce(error, ''), NULL,
        CASE WHEN kind = 'move' THEN id END
    FROM catalog.operation
    WHERE tenant_id = $1 AND finished_at IS NOT NULL
        AND (kind = 'provision' OR state IN ('failed', 'cancelled'))
)
SELECT at, source, id, what, said, reason, move,
    CASE WHEN by LIKE 'account:%'
        THEN coalesce((SELECT email FROM catalog.account WHERE id::text = substr(by, 9)), by)
        ELSE by
    END AS by,
    (extract(epoch FROM at) * 1000000)::bigint AS moment
FROM event
WHERE $4::bigint IS NULL
    OR ((extract(epoch FROM at) * 1000000)::bigint, source, id) < ($4, $5::text, $6::text)
ORDER BY moment DESC, source DESC, id DESC LIMIT $7
