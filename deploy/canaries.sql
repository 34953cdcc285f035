-- Two canaries in the shared tables of one database, in a transaction that is rolled back.

-- name: careful
-- What a canary writes waits for nobody, and what it refers to is never looked for.
SET LOCAL statement_timeout = '10s';
SET LOCAL lock_timeout = '1s';
SET LOCAL jit = off;
SET LOCAL search_path = shared, reference;
SET CONSTRAINTS ALL DEFERRED

-- name: stamp
-- Makes the transaction that of a tenant, as gate.enter() does. Read as stepwell_gate, and with
-- the flag of the platform's own work, so that the product's own triggers rest.
SELECT set_config('gate.stamp', $1::uuid || lpad(to_hex(k.id), 4, '0') || 'm'
    || encode(sha256(k.outer_pad || sha256(k.inner_pad || uuid_send($1::uuid)
        || int4send(pg_backend_pid()) || timestamptz_send(transaction_timestamp())
        || decode('m', 'escape'))), 'hex'), true)
FROM gate.key AS k ORDER BY k.id DESC LIMIT 1

-- name: role
SELECT set_config('role', $1, true)

-- name: roles
-- Who may look into the shared tables: the router's login first, and the tables' owner, whom row
-- security holds too.
SELECT r.rolname AS role FROM pg_catalog.pg_roles AS r
WHERE NOT r.rolsuper AND has_schema_privilege(r.oid, 'shared', 'USAGE')
    AND (r.rolcanlogin OR r.rolname = 'stepwell_owner')
ORDER BY r.rolname <> 'stepwell_app', r.rolname <> 'stepwell_owner', r.rolname LIMIT $1

-- name: relations
-- Each table and view, with the statements that are tried on it. A mark is a row whose columns
-- have their defaults, or else what fits their type.
WITH columns AS (
    SELECT a.attrelid, string_agg(format(', %I', a.attname), '' ORDER BY a.attnum) AS names,
        string_agg(format(', CAST(%s AS %s)',
            CASE
                WHEN t.typcategory = 'S' THEN format('left(%L, %s)', 'canary',
                    CASE WHEN a.atttypmod > 4 THEN a.atttypmod - 4 ELSE 6 END)
                WHEN t.typcategory = 'N' THEN '1'
                WHEN t.typcategory = 'B' THEN 'false'
                WHEN t.typcategory = 'D' THEN 'now()'
                WHEN t.typcategory = 'T' THEN quote_literal('0')
                WHEN t.typcategory = 'E' THEN format('(enum_range(NULL::%s))[1]', format_type(t.oid, NULL))
                WHEN t.typcategory = 'I' THEN quote_literal('127.0.0.1')
                WHEN t.typname = 'uuid' THEN 'gen_random_uuid()'
                WHEN t.typname = 'bytea' THEN quote_literal('')
                ELSE quote_literal('{}')
            END, format_type(a.atttypid, a.atttypmod)), '' ORDER BY a.attnum) AS values
    FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid
    WHERE a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull AND NOT a.atthasdef
        AND a.attidentity = '' AND a.attname <> 'tenant_id'
    GROUP BY a.attrelid
)
SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relkind <> 'v' AS is_table,
    EXISTS (SELECT FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS tells_tenant,
    format('INSERT INTO %I.%I (tenant_id%s) VALUES (gate.claimed()%s)', n.nspname, c.relname,
        k.names, k.values) AS mark,
    format('SELECT EXISTS (SELECT FROM %I.%I WHERE tenant_id = (SELECT gate.tenant()))',
        n.nspname, c.relname) AS own,
    format('SELECT EXISTS (SELECT FROM %I.%I WHERE tenant_id <> (SELECT gate.tenant()))',
        n.nspname, c.relname) AS foreign_seen,
    format('WITH gone AS (DELETE FROM %I.%I WHERE tenant_id = $1::uuid RETURNING 1)'
        ' SELECT EXISTS (SELECT FROM gone)', n.nspname, c.relname) AS foreign_changed,
    format('INSERT INTO %I.%I (tenant_id%s) VALUES ($1::uuid%s)', n.nspname, c.relname,
        k.names, k.values) AS foreign_forged,
    format('SELECT count(*) FROM (SELECT FROM %I.%I LIMIT 10000) AS seen',
        n.nspname, c.relname) AS count
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN columns AS k ON k.attrelid = c.oid
WHERE n.nspname = 'shared' AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition
ORDER BY c.relname
