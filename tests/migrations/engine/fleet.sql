-- What tests of migrations ask, as the administrator.

-- name: bury
UPDATE catalog.operation SET lease_until = now() - interval '1 second', attempts = 0,
    not_before = now()
WHERE id = $1 AND state IN ('running', 'waiting')

-- name: describe
-- What is in a schema, spelled without its name.
SELECT md5(string_agg(line, E'\n' ORDER BY line)) FROM (
    SELECT format('%s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
        a.attnotnull, pg_get_expr(d.adbin, d.adrelid)) AS line
    FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r'
    UNION ALL
    SELECT format('%s %s %s', k.conname, k.convalidated, pg_get_constraintdef(k.oid))
    FROM pg_constraint AS k WHERE k.connamespace = $1::regnamespace AND k.contype <> 'n'
    UNION ALL
    SELECT format('%s %s', i.indisvalid, replace(pg_get_indexdef(i.indexrelid), $1 || '.', ''))
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    WHERE c.relnamespace = $1::regnamespace
    UNION ALL
    SELECT format('%s %s %s', p.polname, pg_get_expr(p.polqual, p.polrelid),
        pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy AS p JOIN pg_class AS c ON c.oid = p.polrelid
    WHERE c.relnamespace = $1::regnamespace
) AS described
