-- Directories hear of a tenant whose day of erasure is set or taken back: its pages show the day.

CREATE TRIGGER deletion_news AFTER INSERT OR UPDATE ON catalog.deletion
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('tenant', 'tenant_id');
