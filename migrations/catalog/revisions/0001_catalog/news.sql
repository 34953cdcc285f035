-- News for every directory: what changed, never how. Whoever listens reads the row again.

-- Arguments: the kind of thing, and the column that names it.
CREATE FUNCTION catalog.tell_directories() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $news$
DECLARE
    entry jsonb;
BEGIN
    IF TG_OP = 'DELETE' THEN
        entry := to_jsonb(OLD);
    ELSIF TG_OP = 'UPDATE' AND OLD IS NOT DISTINCT FROM NEW THEN
        RETURN NULL;
    ELSE
        entry := to_jsonb(NEW);
    END IF;
    PERFORM pg_notify('stepwell_directory',
        json_build_object('kind', TG_ARGV[0], 'id', entry ->> TG_ARGV[1])::text);
    RETURN NULL;
END
$news$;

CREATE TRIGGER tenant_news AFTER INSERT OR UPDATE OR DELETE ON catalog.tenant
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('tenant', 'id');
CREATE TRIGGER slug_news AFTER INSERT OR UPDATE OR DELETE ON catalog.slug
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('slug', 'slug');
CREATE TRIGGER domain_news AFTER INSERT OR UPDATE OR DELETE ON catalog.domain
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('domain', 'name');
CREATE TRIGGER placement_news AFTER INSERT OR UPDATE ON catalog.placement
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('placement', 'tenant_id');
CREATE TRIGGER plan_news AFTER INSERT OR UPDATE OR DELETE ON catalog.plan
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('plan', 'name');
CREATE TRIGGER plan_version_news AFTER INSERT ON catalog.plan_version
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('plan', 'plan');
CREATE TRIGGER cluster_news AFTER INSERT OR UPDATE OR DELETE ON catalog.cluster
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('cluster', 'name');
CREATE TRIGGER gate_key_news AFTER INSERT OR UPDATE OR DELETE ON catalog.gate_key
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('gate_key', 'id');

-- A credential that nobody has seen can't be remembered anywhere, so its making is no news.
CREATE TRIGGER account_news AFTER UPDATE OF disabled_at OR DELETE ON catalog.account
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('account', 'id');
CREATE TRIGGER membership_news AFTER INSERT OR UPDATE OR DELETE ON catalog.membership
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('account', 'account_id');
CREATE TRIGGER custom_role_news AFTER UPDATE OR DELETE ON catalog.custom_role
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('role', 'tenant_id');
CREATE TRIGGER session_news AFTER UPDATE OR DELETE ON catalog.session
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('session', 'token_hash');
CREATE TRIGGER api_key_news AFTER UPDATE OF role, revoked_at OR DELETE ON catalog.api_key
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('api_key', 'id');

-- News for the workers: an operation waits, or has ended.
CREATE FUNCTION catalog.tell_workers() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $news$
BEGIN
    PERFORM pg_notify('stepwell_operation',
        json_build_object('id', NEW.id, 'kind', NEW.kind, 'state', NEW.state)::text);
    RETURN NULL;
END
$news$;
CREATE TRIGGER operation_news AFTER INSERT OR UPDATE OF state ON catalog.operation
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_workers();
