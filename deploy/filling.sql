-- What a backfill reads and writes in a database that holds places.

-- name: tenants
SELECT h.tenant_id FROM gate.home AS h WHERE h.schema_name = $1 AND h.state = 'active'
ORDER BY h.tenant_id

-- name: key
-- The columns of a table's primary key after the tenant, in its order.
SELECT a.attname::text AS name, pg_catalog.format_type(a.atttypid, a.atttypmod) AS type_sql
FROM pg_catalog.pg_index AS i
CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, number)
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relname = $2 AND i.indisprimary AND a.attname <> 'tenant_id'
ORDER BY k.number

-- name: hold
-- Held until the batch is committed: another filler of the place goes on behind it.
SELECT a.progress::text FROM gate.applied AS a
WHERE a.schema_name = $1 AND a.revision = $2 AND a.sql_hash = $3 AND a.steps_done = $4
    AND NOT a.is_whole FOR UPDATE

-- name: note
UPDATE gate.applied SET progress = $3::text::jsonb, changed_at = now()
WHERE schema_name = $1 AND revision = $2
