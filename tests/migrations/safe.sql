-- Two small tables, and what they look like.

-- name: first
CREATE TABLE artist (tenant_id uuid NOT NULL, id integer NOT NULL, PRIMARY KEY (tenant_id, id));
CREATE TABLE track (
    tenant_id uuid NOT NULL, id integer NOT NULL, artist_id integer, name text, length integer,
    PRIMARY KEY (tenant_id, id)
)

-- name: rows
INSERT INTO track (tenant_id, id, name)
SELECT '00000000-0000-0000-0000-00000000000a', n, 'name ' || n FROM generate_series(1, 3) AS n

-- name: twin
INSERT INTO track (tenant_id, id, name) VALUES ('00000000-0000-0000-0000-00000000000a', 9, 'name 1')

-- name: no_twin
DELETE FROM track WHERE id = 9

-- name: is_valid
SELECT i.indisvalid FROM pg_index AS i WHERE i.indexrelid = $1::text::regclass

-- name: drop
DROP TABLE track, artist

-- name: describe
SELECT 'column' AS kind, a.attrelid::regclass::text AS place, a.attname AS name,
    format('%s %s', format_type(a.atttypid, a.atttypmod), a.attnotnull) AS said
FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0
UNION ALL
SELECT 'rule', r.conrelid::regclass::text, r.conname,
    format('%s %s', pg_get_constraintdef(r.oid), r.convalidated)
FROM pg_constraint AS r WHERE r.connamespace = current_schema()::regnamespace
UNION ALL
SELECT 'index', i.indrelid::regclass::text, c.relname,
    replace(format('%s %s', pg_get_indexdef(c.oid), i.indisvalid), current_schema() || '.', '')
FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE c.relnamespace = current_schema()::regnamespace
ORDER BY 1, 2, 3, 4
