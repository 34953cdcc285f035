-- What operators said about the pace of a move before its decision. No row: it goes on by itself.
CREATE TABLE catalog.move_hold (
    move_id       uuid PRIMARY KEY CONSTRAINT hold_is_of_a_move REFERENCES catalog.move,
    -- It stands still: nothing is copied or followed, and what changes is written down.
    paused_at     timestamptz,
    paused_by     text,
    paused_reason text,
    -- It does all but the switch, and follows until somebody says that it may.
    held_at       timestamptz,
    held_by       text,
    held_reason   text,
    -- Somebody wants the switch now: nobody's comfort is waited for any more, only proofs are.
    hurried_at    timestamptz,
    -- How much room the notes of what changed take in the source's database, as a pause saw it last.
    log_bytes     bigint,
    CONSTRAINT pause_is_somebodys
        CHECK (num_nulls(paused_at, paused_by, paused_reason) IN (0, 3)),
    CONSTRAINT hold_is_somebodys CHECK (num_nulls(held_at, held_by, held_reason) IN (0, 3)),
    CONSTRAINT hurried_move_waits_for_nobody
        CHECK (hurried_at IS NULL OR num_nonnulls(paused_at, held_at) = 0)
);

CREATE FUNCTION catalog.tell_of_move_hold() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $news$
BEGIN
    PERFORM pg_notify('stepwell_move', NEW.move_id::text);
    RETURN NULL;
END
$news$;
CREATE TRIGGER move_hold_news AFTER INSERT OR UPDATE ON catalog.move_hold
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_of_move_hold();

-- A move with what was said of its pace. Never changed by a later revision, as catalog.move_whole.
CREATE VIEW catalog.move_in_full AS
SELECT m.*, to_jsonb(h)::text AS hold
FROM catalog.move_whole AS m LEFT JOIN catalog.move_hold AS h ON h.move_id = m.id;
