-- News: of what a directory remembers, and for the workers that an account is to be synced.

CREATE TRIGGER standing_news AFTER UPDATE OF standing, standing_until ON catalog.billing
    FOR EACH ROW WHEN ((OLD.standing, OLD.standing_until) IS DISTINCT FROM (NEW.standing, NEW.standing_until))
    EXECUTE FUNCTION catalog.tell_directories('tenant', 'tenant_id');
CREATE TRIGGER override_news AFTER INSERT OR UPDATE OR DELETE ON catalog.limit_override
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('tenant', 'tenant_id');

CREATE FUNCTION catalog.tell_billing() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $news$
BEGIN
    PERFORM pg_notify('stepwell_billing', NEW.tenant_id::text);
    RETURN NULL;
END
$news$;
CREATE TRIGGER billing_news AFTER INSERT OR UPDATE OF dirty ON catalog.billing
    FOR EACH ROW WHEN (NEW.synced < NEW.dirty) EXECUTE FUNCTION catalog.tell_billing();
