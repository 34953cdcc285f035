-- How a target becomes what the source was. {braces} are filled with quoted names and literals.
-- preface: the planner knows nothing of the keys that it gets, and could guess to read whole tables.
-- unless_referred: a row to which nothing refers with an action can go without touching another one.
-- delete_together: each delete of one statement is done before the first foreign key acts, so rows
-- that refer to each other go in any order, also where RESTRICT stands between them.
-- check: raises where the target's rows aren't the source's; only a cast can, in plain SQL.

-- name: preface
SET CONSTRAINTS ALL DEFERRED;
SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off

-- name: delete
DELETE FROM {place} AS t USING ({given}) AS g WHERE t.tenant_id = {tenant} AND {match} {unless}

-- name: unless_referred
 AND NOT EXISTS (SELECT FROM {child} AS c WHERE c.tenant_id = t.tenant_id AND {refers}{other})

-- name: given_altered
SELECT g.*, e.altered FROM (
    SELECT a.altered -> 0 AS key, a.altered -> 1 AS altered
    FROM jsonb_array_elements({altered}) AS a(altered)
) AS e CROSS JOIN LATERAL jsonb_to_record(jsonb_build_object({fields})) AS g({definition})

-- name: upsert
INSERT INTO {place} AS t (tenant_id, {names}) OVERRIDING SYSTEM VALUE VALUES
{rows}
ON CONFLICT (tenant_id, {key}) DO {update}

-- name: delete_together
WITH {deletes} SELECT

-- name: check
SELECT CASE WHEN count(*) = {count} AND coalesce(sum(hashtextextended(ROW({names})::text, 0)), 0)
    = {digest} THEN 0 ELSE ({message} || count(*))::integer END
FROM {place} AS t JOIN ({given}) AS g ON {match} WHERE t.tenant_id = {tenant}

-- name: finish
SET CONSTRAINTS ALL IMMEDIATE;
RESET enable_hashjoin; RESET enable_mergejoin; RESET enable_seqscan

-- name: altered_keys
-- The rows whose unique values are about to change.
SELECT jsonb_build_array({key})::text AS key
FROM {place} AS t JOIN ({given}) AS g ON {match} WHERE t.tenant_id = $1 AND ({differs})

-- name: referring_keys
-- The rows that an end of the given ones would touch.
SELECT DISTINCT jsonb_build_array({key})::text AS key
FROM ({given}) AS g
JOIN {place} AS t ON {match}
JOIN {child} AS c ON c.tenant_id = t.tenant_id AND {refers}
WHERE t.tenant_id = $1
