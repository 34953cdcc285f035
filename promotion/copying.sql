-- What the copy asks the source.

-- Tables with a type that PostgreSQL can't send or receive in binary form, however deep inside it
-- is, or whose binary form is a number that means something else in another database.
-- name: without_binary
WITH RECURSIVE part (table_name, type_oid) AS (
    SELECT c.relname::text, a.atttypid
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relnamespace = quote_ident($1::text)::regnamespace
        AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
    UNION
    SELECT p.table_name, i.type_oid
    FROM part AS p
    JOIN pg_catalog.pg_type AS t ON t.oid = p.type_oid
    CROSS JOIN LATERAL (
        SELECT t.typelem WHERE t.typelem <> 0
        UNION ALL
        SELECT t.typbasetype WHERE t.typbasetype <> 0
        UNION ALL
        SELECT a.atttypid FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
        UNION ALL
        SELECT r.rngsubtype FROM pg_catalog.pg_range AS r
        WHERE t.oid IN (r.rngtypid, r.rngmultitypid)
    ) AS i (type_oid)
)
SELECT DISTINCT p.table_name
FROM part AS p
JOIN pg_catalog.pg_type AS t ON t.oid = p.type_oid
WHERE t.typsend = 0 OR t.typreceive = 0
    OR (t.typnamespace = 'pg_catalog'::regnamespace AND t.typname LIKE 'reg%')
