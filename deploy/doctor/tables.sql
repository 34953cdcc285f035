-- Rules of the tenants' schemas; each names what it finds: object, detail. The section `given` of
-- database.sql goes in front of every one.

-- name: row_security_enabled
SELECT t.object, 'row security is off' AS detail FROM tenant_table AS t WHERE NOT t.relrowsecurity

-- name: row_security_forced
SELECT t.object, 'its owner is not held by row security' AS detail
FROM tenant_table AS t WHERE t.relrowsecurity AND NOT t.relforcerowsecurity

-- name: policy_present
SELECT t.object, 'it has no policy' AS detail
FROM tenant_table AS t WHERE t.oid NOT IN (SELECT oid FROM policy)

-- name: policy_form
SELECT p.object, string_agg(p.told, '; ' ORDER BY p.polname) AS detail
FROM policy AS p GROUP BY p.object HAVING NOT bool_or(p.is_exact)

-- name: policy_alone
SELECT p.object, string_agg(p.told, '; ' ORDER BY p.polname) FILTER (WHERE NOT p.is_exact) AS detail
FROM policy AS p GROUP BY p.object HAVING bool_or(p.is_exact) AND NOT bool_and(p.is_exact)

-- name: tenant_column
SELECT t.object, CASE WHEN t.tenant_attnum IS NULL THEN 'it has no column tenant_id'
    ELSE 'tenant_id must be uuid NOT NULL' END AS detail
FROM tenant_table AS t WHERE NOT t.has_tenant

-- name: tenant_default
SELECT t.object, coalesce(pg_get_expr(d.adbin, d.adrelid), 'nothing') AS detail
FROM tenant_table AS t
LEFT JOIN pg_attrdef AS d ON d.adrelid = t.oid AND d.adnum = t.tenant_attnum
WHERE t.has_tenant AND pg_get_expr(d.adbin, d.adrelid) IS DISTINCT FROM 'gate.claimed()'

-- name: primary_key
SELECT t.object, coalesce(pg_get_indexdef(i.indexrelid), 'it has none') AS detail
FROM tenant_table AS t
LEFT JOIN pg_index AS i ON i.indrelid = t.oid AND i.indisprimary
WHERE t.has_tenant AND i.indkey[0] IS DISTINCT FROM t.tenant_attnum

-- name: unique_rules
SELECT i.indexrelid::regclass::text AS object, pg_get_indexdef(i.indexrelid) AS detail
FROM tenant_table AS t
JOIN pg_index AS i ON i.indrelid = t.oid AND NOT i.indisprimary
WHERE (i.indisunique OR i.indisexclusion) AND i.indkey[0] IS DISTINCT FROM t.tenant_attnum

-- name: changes_captured
SELECT t.object, 'its changes would not be written down while a tenant of it moves' AS detail
FROM tenant_table AS t
WHERE t.has_tenant AND NOT EXISTS (SELECT FROM pg_trigger AS g
    WHERE g.tgrelid = t.oid AND g.tgname = 'stepwell_capture' AND g.tgenabled <> 'D'
        AND g.tgfoid = 'gate.log_change'::regproc)

-- name: references_deferrable
SELECT format('%s %I', t.object, f.conname) AS object, pg_get_constraintdef(f.oid) AS detail
FROM tenant_table AS t
JOIN pg_constraint AS f ON f.conrelid = t.oid AND f.contype = 'f'
WHERE t.has_tenant AND NOT f.condeferrable

-- name: index_order
SELECT i.indexrelid::regclass::text AS object, pg_get_indexdef(i.indexrelid) AS detail
FROM tenant_table AS t
JOIN pg_index AS i ON i.indrelid = t.oid AND NOT (i.indisunique OR i.indisexclusion)
JOIN pg_class AS c ON c.oid = i.indexrelid
JOIN pg_am AS m ON m.oid = c.relam AND m.amname = 'btree'
WHERE t.tenant_attnum IS NOT NULL AND i.indkey[0] <> t.tenant_attnum

-- name: foreign_keys
SELECT format('%s %I', t.object, f.conname) AS object, pg_get_constraintdef(f.oid) AS detail
FROM tenant_table AS t
JOIN pg_constraint AS f ON f.conrelid = t.oid AND f.contype = 'f'
JOIN pg_class AS c ON c.oid = f.confrelid
LEFT JOIN tenant_table AS target ON target.oid = c.oid AND target.schema_oid = t.schema_oid
WHERE c.relnamespace <> coalesce(to_regnamespace('reference'), 0::oid)
    AND NOT EXISTS (SELECT FROM unnest(f.conkey, f.confkey) AS pair(here, there)
        WHERE pair.here = t.tenant_attnum AND pair.there = target.tenant_attnum)

-- name: materialised_views
SELECT r.object, 'materialised view' AS detail FROM tenant_relation AS r WHERE r.relkind = 'm'

-- name: foreign_tables
SELECT r.object, 'foreign table' AS detail FROM tenant_relation AS r WHERE r.relkind = 'f'

-- name: view_invoker
SELECT r.object, 'reads as ' || pg_get_userbyid(r.relowner) AS detail
FROM tenant_relation AS r
WHERE r.relkind = 'v' AND NOT EXISTS (SELECT FROM pg_options_to_table(r.reloptions) AS o
    WHERE o.option_name = 'security_invoker' AND o.option_value::boolean)

-- name: table_rules
SELECT t.object, 'rule ' || w.rulename AS detail
FROM tenant_table AS t JOIN pg_rewrite AS w ON w.ev_class = t.oid

-- name: table_owner
SELECT found.object, 'owned by ' || pg_get_userbyid(found.owner) AS detail
FROM (
    SELECT r.object, r.relowner AS owner FROM tenant_relation AS r
    WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    UNION ALL
    SELECT n.nspname, n.nspowner FROM tenant_schema AS n
) AS found
WHERE found.owner <> (SELECT oid FROM pg_roles WHERE rolname = 'stepwell_owner')

-- name: trigger_functions
SELECT t.object, format('trigger %I calls %s', g.tgname, d.object) AS detail
FROM tenant_table AS t
JOIN pg_trigger AS g ON g.tgrelid = t.oid AND NOT g.tgisinternal
JOIN definer AS d ON d.oid = g.tgfoid AND d.nspname <> 'gate'

-- name: table_grants
SELECT t.object, string_agg(a.privilege_type || ' to ' || r.rolname, ', '
    ORDER BY r.rolname, a.privilege_type) AS detail
FROM tenant_relation AS t
CROSS JOIN LATERAL (
    SELECT *, false AS on_column FROM aclexplode(t.relacl)
    UNION ALL
    SELECT e.*, true FROM pg_attribute AS c CROSS JOIN LATERAL aclexplode(c.attacl) AS e
    WHERE c.attrelid = t.oid
) AS a
JOIN router_role AS r ON r.oid = a.grantee
WHERE t.relkind IN ('r', 'p', 'v', 'm', 'f') AND (
    a.on_column
    OR a.is_grantable
    OR r.rolname <> ALL (t.grantees)
    OR a.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE'))
GROUP BY t.object

-- name: sequence_grants
SELECT t.object, a.privilege_type || ' to ' || r.rolname AS detail
FROM tenant_relation AS t
CROSS JOIN LATERAL aclexplode(t.relacl) AS a
JOIN router_role AS r ON r.oid = a.grantee
WHERE t.relkind = 'S'

-- name: default_privileges
SELECT coalesce(n.nspname, 'every schema') AS object,
    format('%s on what %s makes, to %s', a.privilege_type, pg_get_userbyid(d.defaclrole), r.rolname)
        AS detail
FROM pg_default_acl AS d
LEFT JOIN tenant_schema AS n ON n.oid = d.defaclnamespace
CROSS JOIN LATERAL aclexplode(d.defaclacl) AS a
JOIN router_role AS r ON r.oid = a.grantee
WHERE d.defaclobjtype IN ('r', 'S', 'n') AND (n.oid IS NOT NULL OR d.defaclnamespace = 0)
