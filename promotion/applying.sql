-- How a target becomes what the source was. {braces} are filled with quoted names and literals.
-- The planner knows nothing of the keys that it gets, and could guess to read whole tables, or to ask
-- for all rows of a tenant whether something refers to them. So OFFSET 0 keeps it to one look into
-- the primary key for each key, and what is found is deleted by its place in the table.
-- unless_referred: a row to which nothing refers with an action can go without touching another one.
-- delete_together: each delete of one statement is done before the first foreign key acts, so rows
-- that refer to each other go in any order, also where RESTRICT stands between them.
-- check: raises where the target's rows aren't the source's; only a cast can, in plain SQL.

-- name: preface
SET CONSTRAINTS ALL DEFERRED;
SET LOCAL enable_seqscan = off

-- name: found
SELECT t.* FROM ({given}) AS g
CROSS JOIN LATERAL (
    SELECT t.ctid AS stepwell_row_place, t.* FROM {place} AS t
    WHERE t.tenant_id = {tenant} AND {match}{unless} OFFSET 0
) AS t

-- name: delete
DELETE FROM {place} AS d WHERE d.tenant_id = {tenant} AND d.ctid = ANY (ARRAY(
    SELECT t.stepwell_row_place FROM ({found}) AS t{unless}))

-- name: unless_referred
NOT EXISTS (SELECT FROM {child} AS c WHERE c.tenant_id = t.tenant_id AND {refers}{other})

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
FROM ({found}) AS t

-- name: finish
SET CONSTRAINTS ALL IMMEDIATE;
RESET enable_seqscan

-- name: keys_found
SELECT jsonb_build_array({key})::text AS key FROM ({found}) AS t

-- name: referring_keys
-- The rows that an end of the given ones would touch.
SELECT DISTINCT jsonb_build_array({key})::text AS key
FROM ({found}) AS t JOIN {child} AS c ON c.tenant_id = t.tenant_id AND {refers}
