-- name: list
SELECT name, version FROM catalog.reference_table ORDER BY name

-- name: changed
INSERT INTO catalog.reference_table AS r (name, version) VALUES ($1, 1)
ON CONFLICT (name) DO UPDATE SET version = r.version + 1, changed_at = now()
RETURNING version
