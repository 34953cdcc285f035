-- Reference tables: filled in the catalog's database, copied to every database that holds tenants.

-- name: watch
CREATE OR REPLACE FUNCTION catalog.reference_changed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $news$
BEGIN
    -- Whoever writes, by whatever way: the row lock puts the versions in the order of the commits.
    INSERT INTO catalog.reference_table AS r (name, version) VALUES (TG_TABLE_NAME, 1)
    ON CONFLICT (name) DO UPDATE SET version = r.version + 1, changed_at = now();
    PERFORM pg_notify('stepwell_reference', TG_TABLE_NAME);
    RETURN NULL;
END
$news$

-- name: is_watched
SELECT EXISTS (
    SELECT FROM pg_trigger WHERE tgrelid = to_regclass($1) AND tgname = 'stepwell_changed'
)

-- name: begin_at_zero
INSERT INTO catalog.reference_table (name, version) VALUES ($1, 0) ON CONFLICT DO NOTHING

-- name: prepare_versions
SET LOCAL ROLE stepwell_owner;
CREATE TABLE IF NOT EXISTS reference.stepwell_version (
    name      text PRIMARY KEY,
    version   bigint NOT NULL,
    copied_at timestamptz NOT NULL DEFAULT now()
);
RESET ROLE

-- name: wait_for_others
SELECT pg_advisory_xact_lock(7003771003)

-- name: have_versions
SELECT to_regclass('reference.stepwell_version') IS NOT NULL

-- name: versions
SELECT name, version FROM reference.stepwell_version

-- name: put_version
INSERT INTO reference.stepwell_version (name, version) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET version = excluded.version, copied_at = now()
