-- What must hold whoever writes.

CREATE FUNCTION catalog.onboarding_goes_on() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
DECLARE
    broken text;
BEGIN
    CASE
        WHEN TG_OP <> 'UPDATE' THEN
            RAISE EXCEPTION 'an onboarding is kept for ever: % is refused', TG_OP
                USING ERRCODE = 'check_violation', CONSTRAINT = 'onboarding_is_never_deleted';
        WHEN OLD.stage IN ('live', 'closed') THEN
            broken := 'ended_onboarding_never_changes';
        WHEN NEW.version <> OLD.version + 1 OR NEW.id <> OLD.id THEN
            broken := 'onboarding_version_grows';
        -- What failed on its way may be begun again, as another tenant.
        WHEN OLD.tenant_id IS NOT NULL AND OLD.stage <> 'data'
                AND NEW.tenant_id IS DISTINCT FROM OLD.tenant_id THEN
            broken := 'onboarding_keeps_its_tenant';
        ELSE
            RETURN NEW;
    END CASE;
    RAISE EXCEPTION 'onboarding % can''t be changed so', OLD.id
        USING ERRCODE = 'check_violation', CONSTRAINT = broken;
END
$guard$;
CREATE TRIGGER onboarding_goes_on BEFORE UPDATE OR DELETE ON catalog.onboarding
    FOR EACH ROW EXECUTE FUNCTION catalog.onboarding_goes_on();
CREATE TRIGGER onboarding_is_never_truncated BEFORE TRUNCATE ON catalog.onboarding
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.onboarding_goes_on();

CREATE FUNCTION catalog.receipt_never_changes() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    RAISE EXCEPTION 'a receipt is kept for ever: % is refused', TG_OP
        USING ERRCODE = 'check_violation', CONSTRAINT = 'receipt_never_changes';
END
$guard$;
CREATE TRIGGER receipt_never_changes
    BEFORE UPDATE OR DELETE OR TRUNCATE ON catalog.onboarding_receipt
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.receipt_never_changes();
