-- What a database that one schema's tables fill says of itself in its comment, for all of a server.

-- name: wanted
-- Nothing where the comment is somebody else's, or may not be changed by this administrator.
WITH noted AS (
    SELECT r.schema_name, bool_and(a.is_whole) AS is_whole,
        encode(sha256(convert_to(string_agg(a.revision || ' ' || a.sql_hash, E'\n'
            ORDER BY a.revision COLLATE "C"), 'UTF8')), 'hex') AS digest
    FROM gate.revision AS r JOIN gate.applied AS a ON a.schema_name = r.schema_name
    GROUP BY r.schema_name
)
SELECT d.datname::text AS name, s.description AS found, (
    SELECT 'stepwell: the revisions in ' || n.schema_name || ' have the digest ' || n.digest
    FROM noted AS n WHERE n.is_whole AND (SELECT count(*) FROM gate.revision) = 1) AS wanted
FROM pg_database AS d
LEFT JOIN pg_shdescription AS s ON s.objoid = d.oid AND s.classoid = 'pg_database'::regclass
WHERE d.datname = current_database() AND pg_has_role(d.datdba, 'USAGE')
    AND coalesce(s.description LIKE 'stepwell: %', true)

-- name: stamped
SELECT d.datname::text
FROM pg_database AS d
JOIN pg_shdescription AS s ON s.objoid = d.oid AND s.classoid = 'pg_database'::regclass
WHERE d.datname = current_database() AND pg_has_role(d.datdba, 'USAGE')
    AND s.description LIKE 'stepwell: %'

-- name: read
SELECT d.datname::text AS name, s.description AS said
FROM pg_database AS d
JOIN pg_shdescription AS s ON s.objoid = d.oid AND s.classoid = 'pg_database'::regclass
WHERE d.datname = ANY($1::text[])
