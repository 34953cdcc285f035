-- What somebody does to the audit who is superuser and has switched the triggers off.

-- name: altered
UPDATE catalog.audit SET reason = 'none' WHERE id = 5

-- name: altered_in_its_detail
UPDATE catalog.audit SET detail = detail || '{"number": 50}' WHERE id = 5

-- name: removed
DELETE FROM catalog.audit WHERE id = 5

-- name: removed_with_its_link
WITH gone AS (DELETE FROM catalog.audit WHERE id = 5 RETURNING id)
DELETE FROM catalog.audit_link WHERE entry_id = (SELECT id FROM gone)

-- name: inserted
INSERT INTO catalog.audit (id, actor, action, target) OVERRIDING SYSTEM VALUE
VALUES (500, 'operator:ada', 'tenant.suspend', 'shop')

-- name: swapped
UPDATE catalog.audit AS a SET reason = b.reason FROM catalog.audit AS b
WHERE (a.id, b.id) IN ((5, 6), (6, 5))

-- name: links_swapped
UPDATE catalog.audit_link SET entry_id = 11 - entry_id + 1000 WHERE entry_id IN (5, 6);
UPDATE catalog.audit_link SET entry_id = entry_id - 1000 WHERE entry_id > 1000

-- name: cut
WITH gone AS (
    DELETE FROM catalog.audit_link WHERE entry_id = (SELECT max(id) FROM catalog.audit)
    RETURNING chain, position, entry_id
), emptied AS (
    DELETE FROM catalog.audit WHERE id = (SELECT entry_id FROM gone)
)
UPDATE catalog.audit_head AS h SET position = g.position - 1, hash = coalesce(
    (SELECT l.hash FROM catalog.audit_link AS l WHERE l.chain = g.chain AND l.position = g.position - 1),
    sha256(convert_to('stepwell audit ' || g.chain, 'UTF8')))
FROM gone AS g WHERE h.chain = g.chain

-- name: rewritten
-- The whole of it, hashes and heads, as whoever knows this design would do it.
UPDATE catalog.audit SET actor = 'operator:eve' WHERE id = 5;
DELETE FROM catalog.audit_link;
UPDATE catalog.audit_head
SET position = 0, hash = sha256(convert_to('stepwell audit ' || chain, 'UTF8'));
SELECT catalog.chain_audit(a) FROM catalog.audit AS a ORDER BY a.id

-- name: seals_removed
DELETE FROM catalog.audit_seal
