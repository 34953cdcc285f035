CREATE TRIGGER account_staff_news AFTER UPDATE OF staff_role, email ON catalog.account
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('account', 'id');
