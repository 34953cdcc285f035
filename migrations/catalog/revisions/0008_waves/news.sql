-- News of revisions: once for each statement, as a wave changes many places at a time.

CREATE FUNCTION catalog.tell_of_revisions() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $news$
BEGIN
    PERFORM pg_notify('stepwell_directory',
        json_build_object('kind', 'revision', 'id', '')::text);
    RETURN NULL;
END
$news$;
CREATE TRIGGER revision_news AFTER INSERT OR UPDATE OR DELETE ON catalog.place
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.tell_of_revisions();
