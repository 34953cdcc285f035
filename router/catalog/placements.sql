-- name: record
INSERT INTO catalog.placement AS p (tenant_id, tier, cluster, database, schema_name, login, epoch)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (tenant_id) DO UPDATE SET tier = excluded.tier, cluster = excluded.cluster,
    database = excluded.database, schema_name = excluded.schema_name, login = excluded.login,
    epoch = excluded.epoch, changed_at = now()
WHERE (p.tier, p.cluster, p.database, p.schema_name, p.login, p.epoch) IS DISTINCT FROM
    (excluded.tier, excluded.cluster, excluded.database, excluded.schema_name, excluded.login,
    excluded.epoch)
