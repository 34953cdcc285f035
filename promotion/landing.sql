-- What private tables are stripped of for a copy.

-- Everything that a copy would have to keep up for each row, in the order in which it is removed;
-- it is put back in the opposite one, primary keys first. What a view was built on stays: it
-- couldn't be removed without the view. Partitioned tables keep their indexes, which are many.
-- name: parts
WITH held AS (
    SELECT c.oid, c.relkind, c.relname::text AS table_name,
        format('ALTER TABLE %I.%I ', $1::text, c.relname) AS alter_table,
        format('%I.', $1::text) AS prefix
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = quote_ident($1::text)::regnamespace
        AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
), part AS (
    SELECT 1 AS rank, 'trigger' AS kind, h.table_name, t.tgname::text AS name,
        format('%s DISABLE TRIGGER %I', h.alter_table, t.tgname) AS removal,
        format('%s ENABLE %s TRIGGER %I', h.alter_table,
            CASE t.tgenabled WHEN 'A' THEN 'ALWAYS' WHEN 'R' THEN 'REPLICA' END, t.tgname) AS rebuild
    FROM held AS h JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = h.oid
    WHERE NOT t.tgisinternal AND t.tgenabled <> 'D'
    UNION ALL
    SELECT 2, 'row security', h.table_name, '',
        h.alter_table || 'NO FORCE ROW LEVEL SECURITY', h.alter_table || 'FORCE ROW LEVEL SECURITY'
    FROM held AS h JOIN pg_catalog.pg_class AS c ON c.oid = h.oid
    WHERE c.relforcerowsecurity
    UNION ALL
    SELECT 3, 'statistics', h.table_name, '', '', format('ANALYZE %s%I', h.prefix, h.table_name)
    FROM held AS h
    UNION ALL
    SELECT CASE r.contype WHEN 'f' THEN 4 WHEN 'p' THEN 6 ELSE 5 END,
        CASE r.contype WHEN 'f' THEN 'foreign key' WHEN 'p' THEN 'primary key' ELSE 'index' END,
        h.table_name, r.conname::text,
        format('%s DROP CONSTRAINT %I', h.alter_table, r.conname),
        format('%s ADD CONSTRAINT %I %s', h.alter_table, r.conname,
            pg_catalog.pg_get_constraintdef(r.oid))
    FROM held AS h JOIN pg_catalog.pg_constraint AS r ON r.conrelid = h.oid
    WHERE r.conparentid = 0 AND (r.contype = 'f' OR (r.contype IN ('p', 'u', 'x') AND h.relkind = 'r'))
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
            WHERE d.refclassid = 'pg_catalog.pg_constraint'::regclass AND d.refobjid = r.oid
                AND d.deptype = 'n')
    UNION ALL
    SELECT 5, 'index', h.table_name, x.relname::text,
        format('DROP INDEX %I.%I', $1::text, x.relname), pg_catalog.pg_get_indexdef(i.indexrelid)
    FROM held AS h
    JOIN pg_catalog.pg_index AS i ON i.indrelid = h.oid
    JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid
    WHERE h.relkind = 'r' AND NOT i.indisreplident
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS r
            WHERE r.conindid = i.indexrelid AND r.contype IN ('p', 'u', 'x'))
)
SELECT p.kind, p.table_name, p.removal, p.rebuild
FROM part AS p
ORDER BY p.rank, p.table_name, p.name

-- name: serves
SELECT 1 FROM gate.home WHERE tenant_id = $1 AND schema_name = $2 AND state = 'active'

-- Types that a product made are made once a schema: the columns whose values must change theirs.
-- name: retyped
SELECT c.relname::text AS table_name, a.attname::text AS column_name,
    pg_catalog.format_type(b.atttypid, b.atttypmod) AS type_sql
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_class AS d ON d.relname = c.relname
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
JOIN pg_catalog.pg_attribute AS b ON b.attrelid = d.oid AND b.attname = a.attname
WHERE c.relnamespace = quote_ident($1::text)::regnamespace
    AND d.relnamespace = quote_ident($2::text)::regnamespace
    AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND b.attnum > 0 AND a.atttypid <> b.atttypid

-- name: row_counts
SELECT c.relname::text AS table_name, c.reltuples::float8 AS known
FROM pg_catalog.pg_class AS c
WHERE c.relnamespace = quote_ident($1::text)::regnamespace AND c.relkind IN ('r', 'p')
