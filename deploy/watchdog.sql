-- Transactions of the router's logins that outlived their limits.

-- name: limits
SELECT p.tier, max((v.limits ->> 'statement_timeout_ms')::bigint) AS statement_ms
FROM catalog.plan AS p JOIN catalog.plan_version AS v ON v.plan = p.name
GROUP BY p.tier

-- name: overdue
-- A statement ends by its plan's timeout and a transaction by its request's deadline, unless
-- somebody who may run SQL has lifted them.
SELECT a.pid, a.usename AS login, a.datname AS database,
    extract(epoch FROM now() - a.xact_start)::float8 AS age_s
FROM pg_stat_activity AS a
WHERE a.backend_type = 'client backend' AND a.xact_start IS NOT NULL
    AND pg_has_role(a.usesysid, 'stepwell_login', 'MEMBER')
    AND NOT pg_has_role(a.usesysid, 'stepwell_owner', 'MEMBER')
    AND (a.xact_start < now() - make_interval(secs => $2)
        OR (a.state = 'active' AND a.query_start < now() - make_interval(secs => $1)))

-- name: end
SELECT pg_terminate_backend($1)
