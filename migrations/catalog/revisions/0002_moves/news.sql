-- News for whoever watches moves: the id of the move, whenever something of it changed.

CREATE FUNCTION catalog.tell_of_move() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $news$
BEGIN
    PERFORM pg_notify('stepwell_move', NEW.id::text);
    RETURN NULL;
END
$news$;
CREATE TRIGGER move_news AFTER INSERT OR UPDATE ON catalog.move
    FOR EACH ROW EXECUTE FUNCTION catalog.tell_of_move();

-- The operations of undoing and settling name their move in their data.
CREATE FUNCTION catalog.tell_of_move_at_work() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $news$
BEGIN
    PERFORM pg_notify('stepwell_move',
        CASE WHEN NEW.kind = 'move' THEN NEW.id::text ELSE NEW.data ->> 'move' END);
    RETURN NULL;
END
$news$;
CREATE TRIGGER move_at_work_news AFTER UPDATE OF state, step, error ON catalog.operation
    FOR EACH ROW WHEN (NEW.kind IN ('move', 'undo', 'settle'))
    EXECUTE FUNCTION catalog.tell_of_move_at_work();
