-- What a cluster's server tells of itself, without a look at any tenant's rows.

-- name: server
SELECT current_setting('server_version') AS version, pg_postmaster_start_time() AS started_at,
    current_setting('max_connections')::integer AS connections_max,
    current_setting('superuser_reserved_connections')::integer
        + coalesce(current_setting('reserved_connections', true), '0')::integer
        AS connections_reserved

-- name: connections
-- Without this one. What an administrator who isn't a superuser may not see has no state.
SELECT coalesce(a.datname, '') AS database, coalesce(a.usename, '') AS login,
    coalesce(a.state, 'unknown') AS state, count(*) AS count,
    (sum(count(*)) OVER ())::bigint AS connections_used
FROM pg_stat_activity AS a
WHERE a.backend_type IN ('client backend', 'walsender') AND a.pid <> pg_backend_pid()
GROUP BY 1, 2, 3
ORDER BY count(*) DESC, 1, 2, 3 LIMIT $1

-- name: sizes
-- Of the databases that this administrator may measure.
SELECT d.datname AS database, pg_database_size(d.oid) AS bytes,
    (count(*) OVER ())::bigint AS databases,
    (sum(pg_database_size(d.oid)) OVER ())::bigint AS bytes_all
FROM pg_database AS d
WHERE NOT d.datistemplate AND (has_database_privilege(d.oid, 'CONNECT')
    OR pg_has_role('pg_read_all_stats', 'USAGE'))
ORDER BY 2 DESC, 1 LIMIT $1
