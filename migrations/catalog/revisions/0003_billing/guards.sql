-- What must hold whoever writes.

-- The ledger is what is shown in a dispute.
CREATE FUNCTION catalog.usage_is_append_only() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    RAISE EXCEPTION 'the ledger of usage is append-only: % is refused', TG_OP
        USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_is_append_only';
END
$guard$;
CREATE TRIGGER usage_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON catalog.usage_event
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.usage_is_append_only();

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
