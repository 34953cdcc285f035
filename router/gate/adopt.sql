-- Functions of the tables' owner; run in the same transaction, right after gate.sql.
SET LOCAL ROLE stepwell_owner;

-- What every new table of a schema gets by itself: run by stepwell_owner after each revision.
-- A table that has it already is left alone, so to adopt again takes no lock.
CREATE FUNCTION gate.adopt(in_schema text, tier text, grantee name) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $gate$
DECLARE
    -- As PostgreSQL itself spells it, so that it is found again.
    unless_moved constant text :=
        '(substr(current_setting(''gate.stamp''::text, true), 41, 1) IS DISTINCT FROM ''m''::text)';
    entry record;
BEGIN
    FOR entry IN
        SELECT c.oid, c.relname, c.relrowsecurity AND c.relforcerowsecurity AS is_forced,
            EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid) AS has_policy,
            EXISTS (SELECT FROM pg_trigger AS t
                WHERE t.tgrelid = c.oid AND t.tgname = 'stepwell_capture') AS is_captured,
            (SELECT string_agg(quote_literal(a.attname), ', ' ORDER BY k.place)
                FROM pg_index AS i
                CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
                JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.attnum
                WHERE i.indrelid = c.oid AND i.indisprimary AND a.attname <> 'tenant_id') AS key
        FROM pg_class AS c
        WHERE c.relnamespace = in_schema::regnamespace AND c.relkind IN ('r', 'p')
            AND EXISTS (SELECT FROM pg_attribute AS a
                WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
        ORDER BY c.relname
    LOOP
        IF NOT entry.has_policy THEN
            EXECUTE format(
                'CREATE POLICY only_own_rows ON %I.%I USING (tenant_id = (SELECT gate.tenant()))'
                ' WITH CHECK (tenant_id = (SELECT gate.tenant()))', in_schema, entry.relname);
        END IF;
        IF NOT entry.is_forced THEN
            EXECUTE format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY',
                in_schema, entry.relname);
        END IF;
        -- Asleep until the gate's stamp says that this tenant's changes are captured.
        IF NOT entry.is_captured THEN
            EXECUTE format(
                'CREATE TRIGGER stepwell_capture AFTER INSERT OR UPDATE OR DELETE ON %I.%I'
                ' FOR EACH ROW WHEN (substr(current_setting(''gate.stamp'', true), 41, 1) = ''c'')'
                ' EXECUTE FUNCTION gate.log_change(%s)', in_schema, entry.relname, entry.key);
            EXECUTE format(
                'CREATE TRIGGER stepwell_keep BEFORE TRUNCATE ON %I.%I'
                ' FOR EACH STATEMENT EXECUTE FUNCTION gate.refuse_truncate()',
                in_schema, entry.relname);
        END IF;
        IF NOT has_table_privilege(grantee, entry.oid, 'SELECT')
            OR NOT has_table_privilege(grantee, entry.oid, 'INSERT')
            OR NOT has_table_privilege(grantee, entry.oid, 'UPDATE')
            OR NOT has_table_privilege(grantee, entry.oid, 'DELETE') THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I.%I TO %I',
                in_schema, entry.relname, grantee);
        END IF;
    END LOOP;

    -- The product's own triggers are for what its customers do. A move writes, and erases, rows at
    -- which they have been already; and what they do with a row that somebody filled must never be
    -- done as the platform. A tenant that forges the stamp has no rows at all.
    FOR entry IN
        SELECT c.relname, t.tgname, t.tgqual IS NULL AS is_plain,
            pg_get_triggerdef(t.oid) AS said
        FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
        WHERE c.relnamespace = in_schema::regnamespace AND c.relkind IN ('r', 'p')
            AND NOT t.tgisinternal AND t.tgparentid = 0 AND t.tgenabled = 'O'
            AND t.tgname NOT IN ('stepwell_capture', 'stepwell_keep')
            AND position(unless_moved IN pg_get_triggerdef(t.oid)) = 0
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %I.%I', entry.tgname, in_schema, entry.relname);
        -- The first of these words are the statement's own; others may stand in its arguments.
        EXECUTE regexp_replace(entry.said,
            CASE WHEN entry.is_plain THEN ' EXECUTE FUNCTION ' ELSE ' WHEN \(' END,
            CASE WHEN entry.is_plain THEN format(' WHEN (%s) EXECUTE FUNCTION ', unless_moved)
                ELSE format(' WHEN (%s AND ', unless_moved) END);
    END LOOP;

    -- A move writes the rows of a moment in any order; they refer to each other at its end.
    FOR entry IN
        SELECT c.relname, f.conname
        FROM pg_constraint AS f JOIN pg_class AS c ON c.oid = f.conrelid
        WHERE c.relnamespace = in_schema::regnamespace AND f.contype = 'f'
            AND NOT f.condeferrable AND f.conparentid = 0
    LOOP
        EXECUTE format('ALTER TABLE %I.%I ALTER CONSTRAINT %I DEFERRABLE INITIALLY IMMEDIATE',
            in_schema, entry.relname, entry.conname);
    END LOOP;

    -- A sequence of a shared table would tell each tenant how busy the others are.
    FOR entry IN
        SELECT c.relname, a.attname
        FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE tier = 'rows' AND c.relnamespace = in_schema::regnamespace
            AND c.relkind IN ('r', 'p') AND a.attidentity <> ''
    LOOP
        EXECUTE format('ALTER TABLE %I.%I ALTER COLUMN %I DROP IDENTITY',
            in_schema, entry.relname, entry.attname);
        EXECUTE format('ALTER TABLE %I.%I ALTER COLUMN %I SET DEFAULT gate.next_id(%L)',
            in_schema, entry.relname, entry.attname, entry.relname);
    END LOOP;

    FOR entry IN
        SELECT c.relname FROM pg_class AS c
        WHERE c.relnamespace = in_schema::regnamespace AND c.relkind = 'v'
            AND EXISTS (SELECT FROM pg_options_to_table(c.reloptions) AS o
                WHERE o.option_name = 'security_invoker' AND o.option_value::boolean)
    LOOP
        EXECUTE format('GRANT SELECT ON %I.%I TO %I', in_schema, entry.relname, grantee);
    END LOOP;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', in_schema, grantee);
END
$gate$;

-- Makes the next generated id of a column greater than every one this tenant has stored: for
-- imports that bring their ids along. Never lowers anything.
CREATE FUNCTION gate.continue_ids(of_table text, of_column text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $gate$
DECLARE
    tenant   uuid := gate.tenant();
    in_schema text;
    highest  bigint;
    sequence text;
BEGIN
    SELECT h.schema_name INTO in_schema FROM gate.home AS h WHERE h.tenant_id = tenant;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no ids for %: the transaction entered no tenant', of_table
            USING ERRCODE = 'SW003', HINT = 'Call gate.enter() in the message that begins it.';
    END IF;
    EXECUTE format('SELECT max(%I) FROM %I.%I WHERE tenant_id = $1', of_column, in_schema, of_table)
        INTO highest USING tenant;
    IF highest IS NULL THEN
        RETURN;
    END IF;
    sequence := pg_get_serial_sequence(format('%I.%I', in_schema, of_table), of_column);
    IF sequence IS NULL THEN
        INSERT INTO gate.counter AS c (tenant_id, table_name, value)
        VALUES (tenant, of_table, highest)
        ON CONFLICT (tenant_id, table_name) DO UPDATE SET value = greatest(c.value, highest);
        PERFORM set_config('gate.ids_' || of_table, '', true);
    ELSIF highest > coalesce((
        SELECT s.last_value FROM pg_sequences AS s
        WHERE format('%I.%I', s.schemaname, s.sequencename) = sequence), 0) THEN
        PERFORM setval(sequence, highest);
    END IF;
END
$gate$;

REVOKE EXECUTE ON FUNCTION gate.adopt(text, text, name), gate.continue_ids(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gate.continue_ids(text, text) TO stepwell_login;

SET LOCAL ROLE stepwell_gate;
REVOKE CREATE ON SCHEMA gate FROM stepwell_owner;
RESET ROLE;
