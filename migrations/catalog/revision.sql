-- What the catalog itself says about its revisions.

-- name: wait_for_others
SELECT pg_advisory_xact_lock(7003771002)

-- name: prepare
CREATE SCHEMA IF NOT EXISTS catalog;
CREATE TABLE IF NOT EXISTS catalog.revision (
    revision   text PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- name: is_prepared
SELECT to_regclass('catalog.revision') IS NOT NULL

-- name: applied
SELECT revision FROM catalog.revision

-- name: record
INSERT INTO catalog.revision (revision) VALUES ($1)
