-- The key log of one tenant: when it is written, who was in before, and what is in it no more.

-- name: set_capture
UPDATE gate.home SET capture = $2 WHERE tenant_id = $1 AND capture <> $2

-- name: waiting
-- Counted up to a bound, as a look mustn't cost more than the move that it is to spare others from.
SELECT h.delay_ms, pg_total_relation_size('gate.change') AS bytes, (SELECT count(*) FROM
    (SELECT FROM gate.change AS c WHERE c.tenant_id = h.tenant_id LIMIT $2) AS counted) AS rows
FROM gate.home AS h WHERE h.tenant_id = $1

-- name: is_known
SELECT 1 FROM gate.home WHERE tenant_id = $1

-- name: holders
-- A transaction is (process, virtual transaction): a process alone may be in its next one by now.
-- Those that still wait for the lock haven't read gate.home yet, so they aren't holders.
SELECT l.pid, l.virtualtransaction AS transaction, coalesce(a.application_name, '') AS application,
    extract(epoch FROM clock_timestamp() - a.xact_start)::float8 * 1000 AS age_ms
FROM pg_catalog.pg_locks AS l LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.mode = 'ShareLock'
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d
        WHERE d.datname = current_database())
    AND l.classid = $1::bigint::oid AND l.objid = $2::bigint::oid AND l.objsubid = 1
ORDER BY a.xact_start

-- name: forget
DELETE FROM gate.change WHERE ctid = ANY (ARRAY(
    SELECT c.ctid FROM gate.change AS c WHERE c.tenant_id = $1 LIMIT $2))

-- name: prune
DELETE FROM gate.change WHERE ctid = ANY (ARRAY(
    SELECT c.ctid FROM gate.change AS c
    WHERE c.tenant_id = $1 AND c.xid < pg_snapshot_xmax($3::text::pg_snapshot)
        AND pg_visible_in_snapshot(c.xid, $3::text::pg_snapshot)
    LIMIT $2))

-- name: triggers
-- Arguments of a trigger are stored one after the other, each ended by a zero byte.
SELECT c.relname::text AS table_name, t.tgname::text AS name, t.tgenabled IN ('O', 'A') AS is_awake,
    t.tgtype::integer AS fires_on, encode(t.tgargs, 'hex') AS arguments,
    t.tgfoid = to_regprocedure(CASE t.tgname WHEN 'stepwell_capture' THEN 'gate.log_change()'
        ELSE 'gate.refuse_truncate()' END) AS is_ours
FROM pg_catalog.pg_trigger AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = quote_ident($1::text)::regnamespace
    AND t.tgname IN ('stepwell_capture', 'stepwell_keep')
