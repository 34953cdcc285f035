-- What must hold whoever writes.

-- A session never gains a tenant, nor loses what confines it.
CREATE FUNCTION catalog.session_stays_confined() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    RAISE EXCEPTION 'a session keeps its account and its tenant: open another one'
        USING ERRCODE = 'check_violation', CONSTRAINT = 'session_stays_confined';
END
$guard$;
CREATE TRIGGER session_stays_confined
    BEFORE UPDATE OF account_id, tenant_id, only_tenant_id ON catalog.session
    FOR EACH ROW WHEN ((OLD.account_id, OLD.tenant_id, OLD.only_tenant_id)
        IS DISTINCT FROM (NEW.account_id, NEW.tenant_id, NEW.only_tenant_id))
    EXECUTE FUNCTION catalog.session_stays_confined();
