-- What changed at a source. {braces} are filled with quoted names and types of the product's own
-- tables; values are parameters.
-- given: the typed keys, each once, as two spellings of one value are one key.
-- rows: OFFSET 0 keeps the planner from anything but one look into the primary key for each key: the
-- log has no statistics, and a wrong guess would read the whole table while the tenant waits.

-- name: snapshot
SELECT pg_current_snapshot()::text

-- name: changes
-- The snapshot is that of this statement, so under READ COMMITTED it belongs to these keys only
-- where nobody else can write: in the fence.
SELECT pg_current_snapshot()::text AS table_name, NULL AS key
UNION ALL
SELECT * FROM (
    SELECT DISTINCT c.table_name, c.key::text
    FROM gate.change AS c
    WHERE c.tenant_id = $1 AND ($2::text IS NULL
        OR c.xid >= pg_snapshot_xmin($2::text::pg_snapshot)
        AND NOT pg_visible_in_snapshot(c.xid, $2::text::pg_snapshot))
    LIMIT $3
) AS changed

-- name: changed_tables
SELECT c.table_name, count(DISTINCT c.key::text) AS count
FROM gate.change AS c
WHERE c.tenant_id = $1 AND ($2::text IS NULL
    OR c.xid >= pg_snapshot_xmin($2::text::pg_snapshot)
    AND NOT pg_visible_in_snapshot(c.xid, $2::text::pg_snapshot))
GROUP BY c.table_name

-- name: keys_of_table
SELECT DISTINCT c.key::text AS key
FROM gate.change AS c
WHERE c.tenant_id = $1 AND c.table_name = $3 AND ($2::text IS NULL
    OR c.xid >= pg_snapshot_xmin($2::text::pg_snapshot)
    AND NOT pg_visible_in_snapshot(c.xid, $2::text::pg_snapshot))

-- name: uniques
-- The columns on which a rule rests that a row of another key can break: their values have to be
-- free before they are taken. What a predicate or an expression reads stands in pg_depend.
SELECT c.relname::text AS table_name, array_agg(DISTINCT a.attname::text) AS columns
FROM pg_catalog.pg_index AS i
JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
CROSS JOIN LATERAL (
    SELECT unnest(i.indkey)::integer
    UNION
    SELECT d.refobjsubid FROM pg_catalog.pg_depend AS d
    WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = i.indexrelid
        AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = i.indrelid
) AS k(attnum)
JOIN pg_catalog.pg_attribute AS a
    ON a.attrelid = c.oid AND a.attname <> 'tenant_id'
    -- An expression may read the whole row; then each column counts.
    AND CASE k.attnum WHEN 0 THEN a.attnum > 0 AND NOT a.attisdropped
            AND concat(i.indexprs, i.indpred) LIKE '%:varattno 0 %'
        ELSE a.attnum = k.attnum END
WHERE c.relnamespace = quote_ident($1::text)::regnamespace
    AND (i.indisunique OR i.indisexclusion) AND i.indimmediate AND NOT i.indisprimary
GROUP BY c.relname

-- name: given
SELECT {columns}, min(e.key::text) AS key
FROM jsonb_array_elements({keys}) AS e(key)
CROSS JOIN LATERAL jsonb_to_record(jsonb_build_object({fields})) AS k({definition})
GROUP BY {columns}

-- name: rows
SELECT {number}::integer AS number, r.row, r.altered, r.hash,
    CASE WHEN r.is_there IS NULL THEN g.key END AS gone
FROM ({given}) AS g
LEFT JOIN LATERAL (
    SELECT true AS is_there, {row} AS "row", {altered} AS altered,
        hashtextextended(ROW({names})::text, 0) AS hash
    FROM {place} AS t
    WHERE t.tenant_id = $1 AND {match}
    OFFSET 0
) AS r ON true

-- name: counters
SELECT c.table_name, c.value FROM gate.counter AS c WHERE c.tenant_id = $1

-- name: sequences
-- The last id that each identity gave; no row where it gave none.
SELECT c.relname::text AS table_name,
    max(pg_sequence_last_value(pg_get_serial_sequence(
        quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname)::regclass)) AS value
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attidentity <> ''
WHERE n.nspname = $1::text
GROUP BY c.relname
