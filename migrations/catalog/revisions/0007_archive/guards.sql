-- What was certified stays so, and an erased tenant has no place.

CREATE FUNCTION catalog.certificate_never_changes() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    RAISE EXCEPTION 'a certificate is kept for ever: % is refused', TG_OP
        USING ERRCODE = 'check_violation', CONSTRAINT = 'certificate_never_changes';
END
$guard$;
CREATE TRIGGER certificate_never_changes
    BEFORE UPDATE OR DELETE OR TRUNCATE ON catalog.certificate
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.certificate_never_changes();

-- As before, but that the placement of a certified tenant goes, as its place is gone. No epoch is
-- used again by that: such a tenant never has a place again.
CREATE OR REPLACE FUNCTION catalog.placement_epoch_grows() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF NOT EXISTS (
            SELECT FROM catalog.certificate AS c WHERE c.tenant_id = OLD.tenant_id
        ) THEN
            RAISE EXCEPTION 'the placement of tenant % can''t be deleted', OLD.tenant_id
                USING ERRCODE = 'check_violation', CONSTRAINT = 'placement_epoch_grows';
        END IF;
    ELSIF TG_OP = 'INSERT' AND NEW.epoch <> 1 THEN
        RAISE EXCEPTION 'the first placement of tenant % must have epoch 1, not %',
            NEW.tenant_id, NEW.epoch
            USING ERRCODE = 'check_violation', CONSTRAINT = 'placement_epoch_grows';
    ELSIF TG_OP = 'INSERT' AND EXISTS (
        SELECT FROM catalog.certificate AS c WHERE c.tenant_id = NEW.tenant_id
    ) THEN
        RAISE EXCEPTION 'tenant % was erased and gets no place any more', NEW.tenant_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'placement_epoch_grows';
    ELSIF TG_OP = 'UPDATE' AND (NEW.epoch <> OLD.epoch + 1 OR NEW.tenant_id <> OLD.tenant_id) THEN
        RAISE EXCEPTION 'tenant % is at epoch %: its next placement must have epoch %, not %',
            OLD.tenant_id, OLD.epoch, OLD.epoch + 1, NEW.epoch
            USING ERRCODE = 'check_violation', CONSTRAINT = 'placement_epoch_grows';
    END IF;
    RETURN NULL;
END
$guard$;
