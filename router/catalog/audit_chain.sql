-- The chains of the audit, and the seals over them. What an entry is hashed as stands here and in
-- the trigger that links it (catalog.chain_audit): the same text, computed apart.

-- name: heads
SELECT chain, position, hash FROM catalog.audit_head ORDER BY chain

-- name: walk
SELECT l.position, l.hash, l.entry_id, a.id IS NOT NULL AS is_there,
    jsonb_build_array(a.id, extract(epoch FROM a.at), a.tenant_id, a.actor, a.action, a.target,
        a.reason, a.detail, a.request_id)::text AS told
FROM catalog.audit_link AS l
LEFT JOIN catalog.audit AS a ON a.id = l.entry_id
WHERE l.chain = $1 AND l.position > $2 AND l.position <= $3
ORDER BY l.position LIMIT $4

-- name: loose
SELECT a.id FROM catalog.audit AS a
WHERE NOT EXISTS (SELECT FROM catalog.audit_link AS l WHERE l.entry_id = a.id)
ORDER BY a.id LIMIT $1

-- name: last_seal
SELECT number, sealed_at, heads::text AS heads, digest, signature
FROM catalog.audit_seal ORDER BY number DESC LIMIT 1

-- name: seals
SELECT s.number, s.sealed_at, s.heads::text AS heads, s.digest, s.signature, (
    SELECT array_agg(h.chain ORDER BY h.chain)
    FROM jsonb_to_recordset(s.heads) AS h (chain smallint, position bigint, hash text)
    LEFT JOIN catalog.audit_link AS l ON l.chain = h.chain AND l.position = h.position
    WHERE h.position > 0 AND encode(l.hash, 'hex') IS DISTINCT FROM h.hash
) AS differing
FROM catalog.audit_seal AS s
WHERE s.number > $1 ORDER BY s.number LIMIT $2

-- name: seal
INSERT INTO catalog.audit_seal (number, sealed_at, heads, digest, signature)
VALUES ($1, $2, $3::text::jsonb, $4, $5)
ON CONFLICT (number) DO NOTHING
