-- What the source's other tenants feel.

-- A look into a key, a moment of work, and how many others are in a transaction: the platform's own
-- work in moves and in its other chores is none of theirs.
-- name: probe
SELECT (SELECT count(*) FROM pg_catalog.pg_stat_activity
        WHERE backend_type = 'client backend' AND state IS DISTINCT FROM 'idle'
            AND application_name NOT LIKE 'stepwell move%')
    + (SELECT 0 * count(state) FROM gate.home WHERE tenant_id = $1)
    + (SELECT 0 * sum(hashint4(each)) FROM generate_series(1, 3000) AS each)
