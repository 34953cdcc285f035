-- What a statement does to the tables of the revision before, seen from inside of its transaction.

-- name: rows
INSERT INTO artist SELECT '00000000-0000-0000-0000-00000000000a', n FROM generate_series(1, 2) AS n;
INSERT INTO track
SELECT '00000000-0000-0000-0000-00000000000a', n, n, 'a name', 1.5, 100 FROM generate_series(1, 2) AS n

-- name: look
SELECT
    (SELECT array_agg(pg_relation_filenode(c.oid) ORDER BY c.oid) FROM pg_class AS c
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = 'track') AS files,
    -- Whoever writes needs ROW EXCLUSIVE: these don't go with it.
    EXISTS (SELECT FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
        WHERE l.pid = pg_backend_pid() AND c.relnamespace = current_schema()::regnamespace
            AND c.relname = 'track' AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock',
                'ExclusiveLock', 'AccessExclusiveLock')) AS shuts_out,
    coalesce((SELECT sum(s.seq_tup_read + coalesce(s.idx_tup_fetch, 0))
        FROM pg_stat_xact_user_tables AS s
        WHERE s.schemaname = current_schema() AND s.relname = 'track'), 0)::bigint AS rows_read

-- name: volatile
SELECT DISTINCT p.proname FROM pg_proc AS p
WHERE p.proname = ANY($1) AND p.pronamespace = 'pg_catalog'::regnamespace AND p.provolatile = 'v'
