-- name: put
INSERT INTO gate.key (id, inner_pad, outer_pad) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad
WHERE (gate.key.inner_pad, gate.key.outer_pad)
    IS DISTINCT FROM (excluded.inner_pad, excluded.outer_pad)

-- name: keep_only
DELETE FROM gate.key WHERE id <> ALL($1::integer[])

-- name: remove
DELETE FROM gate.key WHERE id = $1

-- name: share
-- While this is held, no key is used or retired: what is recorded meanwhile is found by a rotation.
SELECT id FROM catalog.gate_key ORDER BY id FOR SHARE

-- name: hold
SELECT id FROM catalog.gate_key ORDER BY id FOR UPDATE
