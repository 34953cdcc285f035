-- What was proved about a move stays as it was proved, whoever writes.

CREATE FUNCTION catalog.move_keeps_what_is_certain() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
DECLARE
    broken text;
BEGIN
    CASE
        WHEN TG_OP <> 'UPDATE' THEN
            RAISE EXCEPTION 'a move is kept for ever: % is refused', TG_OP
                USING ERRCODE = 'check_violation', CONSTRAINT = 'move_is_never_deleted';
        WHEN (OLD.id, OLD.tenant_id, OLD.source, OLD.target, OLD.requested_by, OLD.requested_at,
                OLD.reason) IS DISTINCT FROM (NEW.id, NEW.tenant_id, NEW.source, NEW.target,
                NEW.requested_by, NEW.requested_at, NEW.reason) THEN
            broken := 'move_keeps_its_places';
        WHEN OLD.decided_at IS NOT NULL AND (OLD.decided_at, OLD.pause_ms, OLD.durations_ms,
                OLD.proof) IS DISTINCT FROM (NEW.decided_at, NEW.pause_ms, NEW.durations_ms,
                NEW.proof) THEN
            broken := 'receipt_never_changes';
        WHEN OLD.undone_at IS NOT NULL AND (OLD.undone_at, OLD.undo_receipt) IS DISTINCT FROM
                (NEW.undone_at, NEW.undo_receipt) THEN
            broken := 'receipt_never_changes';
        WHEN OLD.ended_at IS NOT NULL AND OLD IS DISTINCT FROM NEW THEN
            broken := 'ended_move_never_changes';
        ELSE
            RETURN NEW;
    END CASE;
    RAISE EXCEPTION 'move % of tenant % can''t be changed so', OLD.id, OLD.tenant_id
        USING ERRCODE = 'check_violation', CONSTRAINT = broken;
END
$guard$;
CREATE TRIGGER move_keeps_what_is_certain BEFORE UPDATE OR DELETE ON catalog.move
    FOR EACH ROW EXECUTE FUNCTION catalog.move_keeps_what_is_certain();
CREATE TRIGGER move_is_never_truncated BEFORE TRUNCATE ON catalog.move
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.move_keeps_what_is_certain();
