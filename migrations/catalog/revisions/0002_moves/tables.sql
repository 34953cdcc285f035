-- Moves and the outbox. A move is an operation of kind 'move' with what only moves have; it is open
-- until nothing is left to do for it: settled, undone, cancelled, or failed and turned back.

CREATE TABLE catalog.move (
    id            uuid PRIMARY KEY CONSTRAINT move_is_an_operation REFERENCES catalog.operation,
    tenant_id     uuid NOT NULL CONSTRAINT move_is_of_a_tenant REFERENCES catalog.tenant,
    source        jsonb NOT NULL,
    target        jsonb NOT NULL,
    requested_by  text NOT NULL,
    requested_at  timestamptz NOT NULL DEFAULT now(),
    reason        text NOT NULL CONSTRAINT move_has_a_reason CHECK (reason <> ''),
    rows_total    bigint,
    rows_copied   bigint NOT NULL DEFAULT 0,
    lag_rows      bigint NOT NULL DEFAULT 0,  -- changed at the source, not yet at the target
    cancel_requested_at timestamptz,
    taken_back_at timestamptz,  -- by cancel or undo, and by whom: the reconcile heeds an operator
    taken_back_by text,
    -- The receipt: what was compared before the decision, and how long writers were held for it.
    decided_at    timestamptz,
    pause_ms      double precision,
    durations_ms  jsonb,
    proof         jsonb,
    -- After the decision: erase the source, or go back to it.
    settle_id     uuid CONSTRAINT settling_is_an_operation REFERENCES catalog.operation,
    settle_after  timestamptz,
    settled_at    timestamptz,
    keep_id       uuid CONSTRAINT keeping_is_an_operation REFERENCES catalog.operation,
    undo_id       uuid CONSTRAINT undo_is_an_operation REFERENCES catalog.operation,
    undo_receipt  jsonb,
    undone_at     timestamptz,
    ended_at      timestamptz,
    CONSTRAINT move_leads_to_the_next_epoch
        CHECK ((target ->> 'epoch')::bigint = (source ->> 'epoch')::bigint + 1),
    CONSTRAINT move_leads_to_another_place CHECK (target - 'epoch' <> source - 'epoch'),
    CONSTRAINT taken_back_by_somebody CHECK (num_nulls(taken_back_at, taken_back_by) IN (0, 2)),
    CONSTRAINT decided_move_has_a_receipt
        CHECK (num_nulls(decided_at, pause_ms, durations_ms, proof, settle_id, settle_after, keep_id)
            IN (0, 7)),
    CONSTRAINT undone_move_has_a_receipt
        CHECK (num_nulls(undone_at, undo_receipt) IN (0, 2) AND (undone_at IS NULL OR undo_id IS NOT NULL)),
    CONSTRAINT only_a_decided_move_is_settled_or_undone
        CHECK (decided_at IS NOT NULL OR num_nonnulls(settled_at, undo_id) = 0),
    CONSTRAINT move_is_settled_or_undone_never_both CHECK (num_nonnulls(settled_at, undone_at) < 2),
    CONSTRAINT decided_move_ends_settled_or_undone
        CHECK (decided_at IS NULL OR (ended_at IS NULL) = (num_nonnulls(settled_at, undone_at) = 0)
            OR (undone_at IS NOT NULL AND ended_at IS NULL))
);
CREATE UNIQUE INDEX tenant_has_one_open_move ON catalog.move (tenant_id) WHERE ended_at IS NULL;
CREATE INDEX move_by_tenant ON catalog.move (tenant_id, requested_at);
CREATE INDEX move_by_end ON catalog.move (ended_at);
CREATE INDEX move_by_age ON catalog.move (requested_at, id);

-- The reconcile looks at tenants that changed of late.
CREATE INDEX tenant_by_change ON catalog.tenant (changed_at);

-- What others are to be told, written with what happened: neither is without the other.
CREATE TABLE catalog.outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           timestamptz NOT NULL DEFAULT now(),
    kind         text NOT NULL,
    tenant_id    uuid CONSTRAINT message_is_about_a_tenant REFERENCES catalog.tenant,
    payload      jsonb NOT NULL,
    delivered_at timestamptz
);
CREATE INDEX outbox_by_tenant ON catalog.outbox (tenant_id, at);
CREATE INDEX outbox_to_deliver ON catalog.outbox (id) WHERE delivered_at IS NULL;

-- How an operation stands, for whoever looks at what it belongs to.
CREATE FUNCTION catalog.standing(o catalog.operation) RETURNS jsonb
LANGUAGE sql STABLE
RETURN CASE WHEN o.id IS NOT NULL THEN jsonb_build_object('id', o.id, 'state', o.state,
    'step', o.step, 'attempts', o.attempts, 'error', o.error, 'not_before', o.not_before,
    'started_at', o.started_at, 'finished_at', o.finished_at) END;

-- Never changed by a later revision, as catalog.tenant_whole.
CREATE VIEW catalog.move_whole AS
SELECT m.id, m.tenant_id, t.slug, m.source::text AS source, m.target::text AS target,
    m.requested_by, m.requested_at, m.reason, m.rows_total, m.rows_copied, m.lag_rows,
    m.cancel_requested_at, m.decided_at, m.pause_ms, m.durations_ms::text AS durations_ms,
    m.proof::text AS proof, m.settle_after, m.settled_at, m.undo_receipt::text AS undo_receipt,
    m.undone_at, m.ended_at, catalog.standing(o)::text AS operation,
    catalog.standing(s)::text AS settle, catalog.standing(u)::text AS undo,
    catalog.standing(k)::text AS keep
FROM catalog.move AS m
JOIN catalog.tenant AS t ON t.id = m.tenant_id
JOIN catalog.operation AS o ON o.id = m.id
LEFT JOIN catalog.operation AS s ON s.id = m.settle_id
LEFT JOIN catalog.operation AS u ON u.id = m.undo_id
LEFT JOIN catalog.operation AS k ON k.id = m.keep_id;
