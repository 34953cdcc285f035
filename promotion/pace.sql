-- What the source's other tenants feel.

-- A look into a key, a moment of work, and how many others are in a transaction: the platform's own
-- work in moves and in its other chores is none of theirs.
-- name: probe
SELECT (SELECT count(*) FROM pg_catalog.pg_stat_activity
        WHERE backend_type = 'client backend' AND state IS DISTINCT FROM 'idle'
            AND application_name NOT LIKE 'stepwell move%')
    + (SELECT 0 * count(state) FROM gate.home WHERE tenant_id = $1)
    + (SELECT 0 * sum(hashint4(each)) FROM generate_series(1, 3000) AS each)

-- The same, where customers alone are others, as migrations write the catalog on the same server.
-- Who was at work a moment ago is there: a wave is over before many short transactions are met.
-- name: probe_customers
SELECT (SELECT count(*) FROM pg_catalog.pg_stat_activity AS a
        WHERE a.backend_type = 'client backend'
            AND (a.state IS DISTINCT FROM 'idle'
                OR a.state_change > clock_timestamp() - interval '1 second')
            AND a.usesysid IN (SELECT m.member FROM pg_catalog.pg_auth_members AS m
                JOIN pg_catalog.pg_roles AS r ON r.oid = m.roleid
                WHERE r.rolname = 'stepwell_login'))
    + (SELECT 0 * count(state) FROM gate.home WHERE tenant_id = $1)
    + (SELECT 0 * sum(hashint4(each)) FROM generate_series(1, 3000) AS each)
