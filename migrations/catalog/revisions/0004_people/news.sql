-- News: of staff, of a tenant's sign-on (which decides who enters it how), and of mail to be sent.

CREATE TRIGGER account_staff_news AFTER UPDATE OF staff_role, email ON catalog.account
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_directories('account', 'id');

-- Every member's credentials are read again: a tenant that asks for its own sign-on isn't in those
-- of whoever came another way, so the tenant's name alone would miss them.
CREATE FUNCTION catalog.tell_members() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $news$
BEGIN
    PERFORM pg_notify('stepwell_directory',
        json_build_object('kind', 'account', 'id', m.account_id)::text)
    FROM catalog.membership AS m
    WHERE m.tenant_id = CASE WHEN TG_OP = 'DELETE' THEN OLD.tenant_id ELSE NEW.tenant_id END;
    RETURN NULL;
END
$news$;
CREATE TRIGGER sign_on_news AFTER INSERT OR UPDATE OR DELETE ON catalog.single_sign_on
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_members();

CREATE FUNCTION catalog.tell_postmen() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $news$
BEGIN
    PERFORM pg_notify('stepwell_mail', '');
    RETURN NULL;
END
$news$;
CREATE TRIGGER letter_news AFTER INSERT ON catalog.letter
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.tell_postmen();
CREATE TRIGGER outbox_news AFTER INSERT ON catalog.outbox
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.tell_postmen();
