-- What must hold whoever writes.

CREATE FUNCTION catalog.migration_keeps_what_it_is() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
DECLARE
    broken text;
BEGIN
    CASE
        WHEN TG_OP <> 'UPDATE' THEN
            RAISE EXCEPTION 'a migration is kept for ever: % is refused', TG_OP
                USING ERRCODE = 'check_violation', CONSTRAINT = 'migration_is_never_deleted';
        WHEN (OLD.id, OLD.target, OLD.source, OLD.direction, OLD.waves, OLD.requested_by,
                OLD.requested_at, OLD.reason) IS DISTINCT FROM (NEW.id, NEW.target, NEW.source,
                NEW.direction, NEW.waves, NEW.requested_by, NEW.requested_at, NEW.reason) THEN
            broken := 'migration_keeps_its_target';
        WHEN NEW.wave < OLD.wave THEN
            broken := 'waves_only_advance';
        WHEN OLD.ended_at IS NOT NULL AND OLD IS DISTINCT FROM NEW THEN
            broken := 'ended_migration_never_changes';
        ELSE
            RETURN NEW;
    END CASE;
    RAISE EXCEPTION 'migration % can''t be changed so', OLD.id
        USING ERRCODE = 'check_violation', CONSTRAINT = broken;
END
$guard$;
CREATE TRIGGER migration_keeps_what_it_is BEFORE UPDATE OR DELETE ON catalog.migration
    FOR EACH ROW EXECUTE FUNCTION catalog.migration_keeps_what_it_is();
CREATE TRIGGER migration_is_never_truncated BEFORE TRUNCATE ON catalog.migration
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.migration_keeps_what_it_is();
