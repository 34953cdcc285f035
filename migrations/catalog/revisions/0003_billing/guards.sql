-- What must hold whoever writes.

-- An account never goes back to what the provider said earlier.
CREATE FUNCTION catalog.billing_moves_forward() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    IF NEW.dirty < OLD.dirty OR NEW.synced < OLD.synced THEN
        RAISE EXCEPTION 'the account of tenant % would go back from % / % to % / %', OLD.tenant_id,
            OLD.dirty, OLD.synced, NEW.dirty, NEW.synced
            USING ERRCODE = 'check_violation', CONSTRAINT = 'billing_moves_forward';
    END IF;
    RETURN NEW;
END
$guard$;
CREATE TRIGGER billing_moves_forward BEFORE UPDATE ON catalog.billing
    FOR EACH ROW EXECUTE FUNCTION catalog.billing_moves_forward();
