-- Moves. Whoever changes one holds its row, so that what was asked and what is done agree.

-- name: hold_tenant
SELECT id FROM catalog.tenant WHERE id = $1 FOR NO KEY UPDATE

-- name: hold
SELECT id FROM catalog.move WHERE $1 IN (id, undo_id, settle_id, keep_id) FOR NO KEY UPDATE

-- name: find
SELECT * FROM catalog.move_in_full
WHERE id = (SELECT id FROM catalog.move WHERE $1 IN (id, undo_id, settle_id, keep_id))

-- name: find_open
SELECT * FROM catalog.move_in_full WHERE tenant_id = $1 AND ended_at IS NULL

-- name: find_decided
SELECT * FROM catalog.move_in_full WHERE tenant_id = $1 AND decided_at IS NOT NULL
ORDER BY decided_at DESC LIMIT 1

-- name: usual_pause
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY pause_ms) FROM (
    SELECT pause_ms FROM catalog.move WHERE decided_at IS NOT NULL
    ORDER BY decided_at DESC LIMIT $1
) AS latest

-- name: list
SELECT * FROM catalog.move_in_full
WHERE ($1::uuid IS NULL OR tenant_id = $1) AND (NOT $2::boolean OR ended_at IS NULL)
    AND ($3::uuid IS NULL OR (requested_at, id) <
        (SELECT b.requested_at, b.id FROM catalog.move AS b WHERE b.id = $3))
ORDER BY requested_at DESC, id DESC LIMIT $4

-- name: hold_cluster
SELECT name FROM catalog.cluster WHERE name = $1 FOR NO KEY UPDATE

-- name: record
INSERT INTO catalog.move (id, tenant_id, source, target, requested_by, reason)
VALUES ($1, $2, $3::text::jsonb, $4::text::jsonb, $5, $6)

-- name: request_cancel
UPDATE catalog.move SET cancel_requested_at = now(), taken_back_at = now(), taken_back_by = $2
WHERE id = $1

-- name: end_unbegun
-- One that no runner ever took has nothing to turn back.
WITH unbegun AS (
    UPDATE catalog.operation SET state = 'cancelled', finished_at = now()
    WHERE id = $1 AND state = 'waiting' AND started_at IS NULL RETURNING id
)
UPDATE catalog.move AS m SET ended_at = now() FROM unbegun WHERE m.id = unbegun.id RETURNING m.id

-- name: wake
UPDATE catalog.operation SET not_before = now(), attempts = CASE state WHEN 'failed' THEN 0
        ELSE attempts END, state = 'waiting', finished_at = NULL
WHERE id = $1 AND (state = 'failed' OR (state = 'waiting' AND not_before > now())) RETURNING id

-- name: stop_settling
UPDATE catalog.operation SET state = 'cancelled', finished_at = now()
WHERE id = $1 AND state = 'waiting' AND started_at IS NULL RETURNING id

-- name: stop_keeping
-- Also one that runs: whoever does it hears of it at its next step.
UPDATE catalog.operation SET state = 'cancelled', finished_at = now(), lease_owner = NULL,
    lease_until = NULL
WHERE id = (SELECT keep_id FROM catalog.move WHERE id = $1)
    AND state IN ('waiting', 'running', 'failed')

-- name: set_undo
UPDATE catalog.move SET undo_id = $2, taken_back_at = now(), taken_back_by = $3 WHERE id = $1

-- name: settle_now
UPDATE catalog.move SET settle_after = now() WHERE id = $1 AND settle_after > now() RETURNING id

-- name: note
-- The operation's row is held for this moment, so that a runner that was replaced writes nothing.
WITH runs AS (
    SELECT id FROM catalog.operation WHERE id = $2 AND fencing_token = $3 AND state = 'running'
    FOR SHARE
), noted AS (
    UPDATE catalog.move SET rows_total = coalesce($4, rows_total),
        rows_copied = coalesce($5, rows_copied), lag_rows = coalesce($6, lag_rows)
    WHERE id = $1 AND EXISTS (SELECT FROM runs)
    RETURNING id, cancel_requested_at
)
SELECT now() AS heard_at, n.cancel_requested_at, h.paused_at, h.paused_by, h.held_at, h.hurried_at
FROM noted AS n LEFT JOIN catalog.move_hold AS h ON h.move_id = n.id

-- name: note_log
-- Locks no operation: whoever ends the pause holds this row already.
UPDATE catalog.move_hold SET log_bytes = $2
WHERE move_id = $1 AND paused_at IS NOT NULL AND log_bytes IS DISTINCT FROM $2

-- name: pause
INSERT INTO catalog.move_hold AS h (move_id, paused_at, paused_by, paused_reason)
VALUES ($1, now(), $2, $3)
ON CONFLICT (move_id) DO UPDATE SET paused_at = now(), paused_by = $2, paused_reason = $3,
    hurried_at = NULL
WHERE h.paused_at IS NULL RETURNING move_id

-- name: resume
UPDATE catalog.move_hold SET paused_at = NULL, paused_by = NULL, paused_reason = NULL,
    log_bytes = NULL
WHERE move_id = $1 AND paused_at IS NOT NULL RETURNING move_id

-- name: hold_back
INSERT INTO catalog.move_hold AS h (move_id, held_at, held_by, held_reason)
VALUES ($1, now(), $2, $3)
ON CONFLICT (move_id) DO UPDATE SET held_at = now(), held_by = $2, held_reason = $3,
    hurried_at = NULL
WHERE h.held_at IS NULL RETURNING move_id

-- name: release
UPDATE catalog.move_hold SET held_at = NULL, held_by = NULL, held_reason = NULL
WHERE move_id = $1 AND held_at IS NOT NULL RETURNING move_id

-- name: hurry
INSERT INTO catalog.move_hold AS h (move_id, hurried_at) VALUES ($1, now())
ON CONFLICT (move_id) DO UPDATE SET paused_at = NULL, paused_by = NULL, paused_reason = NULL,
    held_at = NULL, held_by = NULL, held_reason = NULL, hurried_at = now(), log_bytes = NULL
WHERE h.hurried_at IS NULL RETURNING move_id

-- name: take_back_paused
-- Whoever paused it for so long wants it no more: it isn't begun again by itself.
UPDATE catalog.move AS m SET taken_back_at = now(), taken_back_by = h.paused_by
FROM catalog.move_hold AS h WHERE m.id = $1 AND h.move_id = m.id AND h.paused_at IS NOT NULL

-- name: held
SELECT 1 FROM catalog.operation WHERE id = $1 AND fencing_token = $2 AND state = 'running'

-- name: decide
UPDATE catalog.move SET decided_at = now(), pause_ms = $2, durations_ms = $3::text::jsonb,
    proof = $4::text::jsonb, settle_id = $5, settle_after = now() + $6::interval, keep_id = $7,
    lag_rows = 0
WHERE id = $1 AND decided_at IS NULL RETURNING id

-- name: settle_again
UPDATE catalog.move SET settle_id = $2, settle_after = now() + $3::interval, keep_id = $4 WHERE id = $1

-- name: undone
UPDATE catalog.move SET undone_at = now(), undo_receipt = $2::text::jsonb
WHERE id = $1 AND undone_at IS NULL RETURNING id

-- name: settled
UPDATE catalog.move SET settled_at = now(), ended_at = now() WHERE id = $1

-- name: ended
UPDATE catalog.move SET ended_at = now() WHERE id = $1

-- name: open_on
-- Only what still copies: a move that is paused, or waits to be switched or settled, is no burden.
SELECT count(*) FROM catalog.move AS m JOIN catalog.operation AS o ON o.id = m.id
WHERE m.ended_at IS NULL AND m.decided_at IS NULL AND o.state IN ('waiting', 'running')
    AND $1 IN (m.source ->> 'cluster', m.target ->> 'cluster')
    AND NOT EXISTS (SELECT FROM catalog.move_hold AS h WHERE h.move_id = m.id
        AND (h.paused_at IS NOT NULL OR (h.held_at IS NOT NULL AND o.step = $3)))
    AND ($2::uuid IS NULL OR (m.requested_at, m.id) <
        (SELECT b.requested_at, b.id FROM catalog.move AS b WHERE b.id = $2))

-- name: put_out
INSERT INTO catalog.outbox (kind, tenant_id, payload) VALUES ($1, $2, $3::text::jsonb)
