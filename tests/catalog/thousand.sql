INSERT INTO catalog.slug (slug, tenant_id, is_current)
SELECT 'tenant-' || n, md5(n::text)::uuid, true FROM generate_series(1, 1000) AS n;
INSERT INTO catalog.tenant (id, slug, name, status, isolation, plan, plan_version)
SELECT md5(n::text)::uuid, 'tenant-' || n, 'Tenant number ' || n, 'active', 'shared', 'pro', 1
FROM generate_series(1, 1000) AS n;
INSERT INTO catalog.placement (tenant_id, tier, cluster, database, schema_name, login, epoch)
SELECT md5(n::text)::uuid, 'schema', 'shared-1', 'shared', 't_' || md5(n::text), 'stepwell_app', 1
FROM generate_series(1, 1000) AS n;
