-- What a test compares before a landing and after a build.

-- name: details
SELECT 'rule' AS kind, c.relname::text AS on_table, r.conname::text AS name,
    pg_get_constraintdef(r.oid) AS state
FROM pg_constraint AS r JOIN pg_class AS c ON c.oid = r.conrelid
WHERE c.relnamespace = quote_ident($1::text)::regnamespace AND r.contype IN ('p', 'u', 'f', 'x')
UNION ALL
SELECT 'index', c.relname, x.relname, pg_get_indexdef(i.indexrelid)
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid JOIN pg_class AS x ON x.oid = i.indexrelid
WHERE c.relnamespace = quote_ident($1::text)::regnamespace
UNION ALL
SELECT 'trigger', c.relname, t.tgname, CASE t.tgenabled WHEN 'D' THEN 'off' ELSE 'on' END
FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = quote_ident($1::text)::regnamespace AND NOT t.tgisinternal
UNION ALL
SELECT 'row security', c.relname, '', concat_ws(' ', c.relrowsecurity, c.relforcerowsecurity)
FROM pg_class AS c
WHERE c.relnamespace = quote_ident($1::text)::regnamespace AND c.relforcerowsecurity
ORDER BY 1, 2, 3, 4
