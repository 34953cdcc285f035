-- What PostgreSQL knows of the tables of one schema that hold tenants' rows.

-- Left out is what differs between tiers or versions and means the same: the order of columns,
-- names of rules, where generated ids come from, NOT NULL as a rule of its own (PostgreSQL 18).
-- The schema must lead the search path: what is in it is named without it then.
-- name: describe
WITH held AS (
    SELECT c.oid, c.relname::text AS table_name
    FROM pg_catalog.pg_class AS c
    WHERE c.relnamespace = quote_ident($1::text)::regnamespace
        AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped)
)
SELECT current_schema()::text AS seen_from, h.table_name, 'column' AS kind, a.attname::text AS name,
    a.attgenerated <> '' AS is_generated,
    concat_ws(' ',
        pg_catalog.format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attnotnull THEN 'NOT NULL' END,
        CASE WHEN a.attgenerated <> '' THEN 'GENERATED ' || a.attgenerated::text || ' '
            || pg_catalog.pg_get_expr(d.adbin, d.adrelid) END,
        CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || (
            SELECT l.collname FROM pg_catalog.pg_collation AS l WHERE l.oid = a.attcollation) END,
        CASE WHEN e.typtype = 'e' THEN (
            SELECT string_agg(quote_literal(n.enumlabel), ',' ORDER BY n.enumsortorder)
            FROM pg_catalog.pg_enum AS n WHERE n.enumtypid = e.oid) END,
        CASE WHEN e.typtype = 'd' THEN concat_ws(' ',
            pg_catalog.format_type(e.typbasetype, e.typtypmod),
            CASE WHEN e.typnotnull THEN 'NOT NULL' END,
            (SELECT string_agg(pg_catalog.pg_get_constraintdef(k.oid), ','
                ORDER BY pg_catalog.pg_get_constraintdef(k.oid))
            FROM pg_catalog.pg_constraint AS k
            WHERE k.contypid = e.oid AND k.contype = 'c')) END
    ) AS detail
FROM held AS h
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = h.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
-- The type itself, or what an array is made of.
JOIN pg_catalog.pg_type AS e ON e.oid = CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE t.oid END
LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
UNION ALL
SELECT '', h.table_name, 'rule', '', false,
    pg_catalog.pg_get_constraintdef(r.oid)
FROM held AS h
JOIN pg_catalog.pg_constraint AS r ON r.conrelid = h.oid
WHERE r.contype IN ('p', 'u', 'f', 'c', 'x') AND r.conparentid = 0
UNION ALL
SELECT '', h.table_name, 'unique index', '', false, concat_ws(' ',
    (SELECT string_agg(pg_catalog.pg_get_indexdef(i.indexrelid, n, true), ',' ORDER BY n)
        FROM generate_series(1, i.indnatts) AS n),
    CASE WHEN to_jsonb(i) ->> 'indnullsnotdistinct' = 'true' THEN 'NULLS NOT DISTINCT' END,
    'WHERE ' || pg_catalog.pg_get_expr(i.indpred, i.indrelid))
FROM held AS h
JOIN pg_catalog.pg_index AS i ON i.indrelid = h.oid
WHERE i.indisunique AND NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint AS r WHERE r.conindid = i.indexrelid AND r.contype <> 'f')
