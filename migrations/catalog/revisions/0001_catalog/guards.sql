-- What must hold whoever writes: checked here and not in the code of one version.

-- An epoch is never reused, so a placement begins at 1, grows by one and is never deleted.
CREATE FUNCTION catalog.placement_epoch_grows() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'the placement of tenant % can''t be deleted', OLD.tenant_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'placement_epoch_grows';
    ELSIF TG_OP = 'INSERT' AND NEW.epoch <> 1 THEN
        RAISE EXCEPTION 'the first placement of tenant % must have epoch 1, not %',
            NEW.tenant_id, NEW.epoch
            USING ERRCODE = 'check_violation', CONSTRAINT = 'placement_epoch_grows';
    ELSIF TG_OP = 'UPDATE' AND (NEW.epoch <> OLD.epoch + 1 OR NEW.tenant_id <> OLD.tenant_id) THEN
        RAISE EXCEPTION 'tenant % is at epoch %: its next placement must have epoch %, not %',
            OLD.tenant_id, OLD.epoch, OLD.epoch + 1, NEW.epoch
            USING ERRCODE = 'check_violation', CONSTRAINT = 'placement_epoch_grows';
    END IF;
    RETURN NULL;
END
$guard$;
-- AFTER, because BEFORE INSERT also fires for what ON CONFLICT then makes an update.
CREATE TRIGGER placement_epoch_grows AFTER INSERT OR UPDATE OR DELETE ON catalog.placement
    FOR EACH ROW EXECUTE FUNCTION catalog.placement_epoch_grows();

-- Two owners who demote each other at once both find one owner left, unless they take turns.
CREATE FUNCTION catalog.tenant_keeps_an_owner() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    PERFORM FROM catalog.tenant AS t
    WHERE t.id = OLD.tenant_id AND t.status <> 'erased' FOR NO KEY UPDATE;
    IF FOUND AND NOT EXISTS (
        SELECT FROM catalog.membership AS m WHERE m.tenant_id = OLD.tenant_id AND m.role = 'owner'
    ) THEN
        RAISE EXCEPTION 'tenant % would have no owner', OLD.tenant_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'tenant_keeps_an_owner';
    END IF;
    RETURN NULL;
END
$guard$;
CREATE TRIGGER tenant_keeps_an_owner AFTER UPDATE OR DELETE ON catalog.membership
    FOR EACH ROW WHEN (OLD.role = 'owner') EXECUTE FUNCTION catalog.tenant_keeps_an_owner();

CREATE FUNCTION catalog.audit_is_append_only() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    RAISE EXCEPTION 'the audit is append-only: % is refused', TG_OP
        USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_is_append_only';
END
$guard$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON catalog.audit
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.audit_is_append_only();

CREATE FUNCTION catalog.plan_version_never_changes() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    RAISE EXCEPTION 'version % of plan % can''t change: publish the next one', OLD.version, OLD.plan
        USING ERRCODE = 'check_violation', CONSTRAINT = 'plan_version_never_changes';
END
$guard$;
CREATE TRIGGER plan_version_never_changes BEFORE UPDATE OR DELETE ON catalog.plan_version
    FOR EACH ROW EXECUTE FUNCTION catalog.plan_version_never_changes();
