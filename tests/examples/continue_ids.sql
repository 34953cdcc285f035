-- What `continue_identity` calls, for a plain database in which the sequences are the table's own.
CREATE SCHEMA gate;
CREATE FUNCTION gate.continue_ids(of_table text, of_column text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    highest bigint;
BEGIN
    EXECUTE format('SELECT max(%I) FROM public.%I', of_column, of_table) INTO highest;
    IF highest IS NOT NULL THEN
        PERFORM setval(pg_get_serial_sequence('public.' || of_table, of_column), highest);
    END IF;
END
$$;
