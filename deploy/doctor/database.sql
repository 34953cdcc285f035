-- Rules of one database that holds tenants: who may enter, what its gate is, what else is in it.
-- Each names what it finds: object, detail. The section `given` goes in front of every other one;
-- $1 is what the examination knows, as JSON: {is_shared, gate: [{name, owner, ...}]}.

-- name: has_gate
SELECT to_regclass('gate.key') IS NOT NULL AND to_regclass('gate.home') IS NOT NULL
    AND to_regclass('gate.revision') IS NOT NULL

-- name: gate_keys
SELECT id, encode(sha256(inner_pad || outer_pad), 'hex') AS digest FROM gate.key

-- name: other_places
SELECT DISTINCT place ->> 'cluster' AS cluster, place ->> 'database' AS database
FROM gate.home WHERE place ->> 'tier' = 'database'

-- name: given
WITH RECURSIVE asked AS (
    SELECT $1::jsonb AS facts
), moving AS (
    -- Both ends of each move that isn't settled: until then a tenant has two places.
    SELECT p.value ->> 'schema' AS schema_name, p.value ->> 'login' AS login
    FROM gate.move AS m CROSS JOIN LATERAL jsonb_array_elements(m.data -> 'places') AS p
), member AS (
    SELECT r.oid FROM pg_roles AS r WHERE r.rolname = 'stepwell_login'
    UNION
    SELECT m.member FROM pg_auth_members AS m JOIN member ON member.oid = m.roleid
), router_login AS (
    SELECT r.oid, r.rolname FROM pg_roles AS r
    WHERE (r.rolname IN (SELECT login FROM gate.home UNION SELECT login FROM moving
            UNION SELECT 'stepwell_app')
            OR (r.rolcanlogin AND r.oid IN (SELECT oid FROM member)))
        AND r.rolname <> current_user
), router_role AS (
    SELECT oid, rolname FROM router_login
    UNION
    SELECT r.oid, r.rolname FROM pg_roles AS r WHERE r.rolname IN ('stepwell_login', 'stepwell_rows')
    UNION
    SELECT 0, 'PUBLIC'
), tenant_schema AS (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl,
        CASE WHEN n.nspname = 'shared' THEN ARRAY['stepwell_rows']
            ELSE ARRAY(SELECT h.login::text FROM gate.home AS h WHERE h.schema_name = n.nspname
                UNION SELECT v.login FROM moving AS v WHERE v.schema_name = n.nspname)
        END AS grantees
    FROM pg_namespace AS n
    WHERE n.nspname IN (SELECT schema_name FROM gate.revision UNION SELECT schema_name FROM gate.home)
        -- A copy goes into bare tables, which nobody can reach before they are whole again.
        AND n.nspname NOT IN (SELECT m.data ->> 'bare' FROM gate.move AS m
            WHERE m.data ->> 'bare' IS NOT NULL)
), tenant_relation AS (
    SELECT c.oid, c.relname, c.relkind, c.relowner, c.relacl, c.reloptions, c.relrowsecurity,
        c.relforcerowsecurity, n.oid AS schema_oid, n.nspname, n.grantees,
        format('%I.%I', n.nspname, c.relname) AS object
    FROM pg_class AS c JOIN tenant_schema AS n ON n.oid = c.relnamespace
), tenant_table AS (
    SELECT t.*, a.attnum AS tenant_attnum,
        coalesce(a.attnotnull AND a.atttypid = 'uuid'::regtype, false) AS has_tenant
    FROM tenant_relation AS t
    LEFT JOIN pg_attribute AS a
        ON a.attrelid = t.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE t.relkind IN ('r', 'p')
), policy AS (
    SELECT t.oid, t.object, p.polname,
        p.polpermissive AND p.polcmd = '*' AND p.polroles = ARRAY[0::oid]
            AND pg_get_expr(p.polqual, p.polrelid) IS NOT DISTINCT FROM exact.spelled
            AND pg_get_expr(p.polwithcheck, p.polrelid) IS NOT DISTINCT FROM exact.spelled
            AS is_exact,
        format('%s %s%s TO %s USING %s WITH CHECK %s', p.polname,
            CASE WHEN p.polpermissive THEN '' ELSE 'RESTRICTIVE ' END, p.polcmd,
            array_to_string(ARRAY(SELECT coalesce(r.rolname, 'PUBLIC') FROM unnest(p.polroles) AS role
                LEFT JOIN pg_roles AS r ON r.oid = role), ', '),
            coalesce(pg_get_expr(p.polqual, p.polrelid), 'nothing'),
            coalesce(pg_get_expr(p.polwithcheck, p.polrelid), 'nothing')) AS told
    FROM tenant_table AS t
    JOIN pg_policy AS p ON p.polrelid = t.oid
    CROSS JOIN (SELECT '(tenant_id = ( SELECT gate.tenant() AS tenant))' AS spelled) AS exact
), definer AS (
    SELECT p.oid, n.oid AS schema_oid, n.nspname, p.proconfig, p.oid::regprocedure::text AS object,
        g.lanname
    FROM pg_proc AS p
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    JOIN pg_language AS g ON g.oid = p.prolang
    WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
), database AS (
    SELECT d.datname, d.datdba, a.grantee, a.privilege_type
    FROM pg_database AS d
    CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
    WHERE d.datname = current_database()
), gate_function AS (
    SELECT p.oid, p.proname, p.prosecdef, p.proowner, p.proacl,
        CASE WHEN p.prosqlbody IS NULL THEN encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex')
            ELSE regexp_replace(lower(pg_get_function_sqlbody(p.oid)), '::text|["()\s]', '', 'g')
        END AS body
    FROM pg_proc AS p WHERE p.pronamespace = 'gate'::regnamespace
), shipped AS (
    SELECT f.name, f.owner, f.body, f.is_definer, f.grantees
    FROM asked, jsonb_to_recordset(asked.facts -> 'gate')
        AS f(name text, owner text, body text, is_definer boolean, grantees text[])
)

-- name: database_connect
SELECT d.datname AS object, 'CONNECT to PUBLIC' AS detail
FROM database AS d WHERE d.grantee = 0 AND d.privilege_type = 'CONNECT'

-- name: database_logins
SELECT d.datname AS object, 'CONNECT to ' || l.rolname AS detail
FROM database AS d JOIN router_role AS l ON l.oid = d.grantee AND l.oid <> 0
WHERE d.privilege_type = 'CONNECT'
    AND l.rolname NOT IN (SELECT login FROM gate.home UNION SELECT login FROM moving)
    AND NOT (l.rolname = 'stepwell_app' AND (SELECT (facts ->> 'is_shared')::boolean FROM asked))

-- name: database_temp
SELECT d.datname AS object, d.privilege_type || ' to ' || r.rolname AS detail
FROM database AS d JOIN router_role AS r ON r.oid = d.grantee
WHERE d.privilege_type IN ('TEMPORARY', 'CREATE')

-- name: schema_create
SELECT n.nspname AS object, 'CREATE to ' || r.rolname AS detail
FROM pg_namespace AS n
CROSS JOIN LATERAL aclexplode(n.nspacl) AS a
JOIN router_role AS r ON r.oid = a.grantee
WHERE a.privilege_type = 'CREATE'

-- name: schema_usage
SELECT n.nspname AS object, 'USAGE to ' || r.rolname AS detail
FROM tenant_schema AS n
CROSS JOIN LATERAL aclexplode(n.nspacl) AS a
JOIN router_role AS r ON r.oid = a.grantee
WHERE a.privilege_type = 'USAGE' AND (a.is_grantable OR r.rolname <> ALL (n.grantees))

-- name: public_schema
SELECT n.nspname AS object, 'USAGE to ' || r.rolname AS detail
FROM pg_namespace AS n
CROSS JOIN LATERAL aclexplode(n.nspacl) AS a
JOIN router_role AS r ON r.oid = a.grantee
WHERE n.nspname = 'public' AND a.privilege_type = 'USAGE'

-- name: stray_relations
SELECT format('%I.%I', n.nspname, c.relname) AS object,
    string_agg(DISTINCT a.privilege_type || ' to ' || r.rolname, ', ') AS detail
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
CROSS JOIN LATERAL aclexplode(c.relacl) AS a
JOIN router_role AS r ON r.oid = a.grantee
WHERE n.nspname NOT IN ('gate', 'reference', 'information_schema') AND n.nspname !~ '^pg_'
    AND n.oid NOT IN (SELECT oid FROM tenant_schema)
    AND EXISTS (SELECT FROM aclexplode(n.nspacl) AS entered
        WHERE entered.grantee IN (SELECT oid FROM router_role) AND entered.privilege_type = 'USAGE')
GROUP BY n.nspname, c.relname

-- name: reference_grants
SELECT format('%I.%I', n.nspname, c.relname) AS object,
    acl.privilege_type || ' to ' || r.rolname AS detail
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'reference'
CROSS JOIN LATERAL (
    SELECT * FROM aclexplode(c.relacl)
    UNION ALL
    SELECT e.* FROM pg_attribute AS a CROSS JOIN LATERAL aclexplode(a.attacl) AS e
    WHERE a.attrelid = c.oid
) AS acl
JOIN router_role AS r ON r.oid = acl.grantee
WHERE acl.privilege_type <> 'SELECT' OR acl.is_grantable OR c.relkind = 'S'
UNION ALL
SELECT format('%I.%I', n.nspname, c.relname), 'owned by ' || pg_get_userbyid(c.relowner)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'reference'
WHERE c.relkind NOT IN ('i', 'I', 't', 'c')
    AND c.relowner <> (SELECT oid FROM pg_roles WHERE rolname = 'stepwell_owner')

-- name: definer_functions
SELECT d.object, string_agg('callable by ' || l.rolname, ', ' ORDER BY l.rolname) AS detail
FROM definer AS d
JOIN router_login AS l ON has_schema_privilege(l.oid, d.schema_oid, 'USAGE')
    AND has_function_privilege(l.oid, d.oid, 'EXECUTE')
WHERE d.nspname <> 'gate'
GROUP BY d.object

-- name: definer_search_path
SELECT d.object, coalesce(array_to_string(d.proconfig, ' '), 'no search_path') AS detail
FROM definer AS d
WHERE d.lanname NOT IN ('c', 'internal') AND NOT EXISTS (SELECT FROM unnest(d.proconfig) AS setting
    WHERE setting ~ '^search_path=.*\mpg_temp"?$')

-- name: gate_functions
SELECT coalesce(g.oid::regprocedure::text, 'gate.' || s.name) AS object,
    CASE
        WHEN g.oid IS NULL THEN 'it is missing'
        WHEN s.name IS NULL THEN 'this version ships none of that name'
        ELSE concat_ws(', ',
            CASE WHEN g.body <> s.body THEN 'its code is not the one that this version ships' END,
            CASE WHEN g.prosecdef <> s.is_definer THEN 'SECURITY DEFINER was changed' END,
            CASE WHEN r.rolname <> s.owner THEN 'owned by ' || r.rolname END)
    END AS detail
FROM gate_function AS g
JOIN pg_roles AS r ON r.oid = g.proowner
FULL JOIN shipped AS s ON s.name = g.proname
WHERE g.oid IS NULL OR s.name IS NULL OR g.body <> s.body OR g.prosecdef <> s.is_definer
    OR r.rolname <> s.owner

-- name: gate_execute
SELECT g.oid::regprocedure::text AS object, 'EXECUTE to ' || r.rolname AS detail
FROM gate_function AS g
JOIN shipped AS s ON s.name = g.proname
CROSS JOIN LATERAL aclexplode(coalesce(g.proacl, acldefault('f', g.proowner))) AS a
JOIN router_role AS r ON r.oid = a.grantee
WHERE r.rolname <> ALL (s.grantees)

-- name: gate_secret
SELECT 'gate.key' AS object, acl.privilege_type || ' to ' || coalesce(r.rolname, 'PUBLIC') AS detail
FROM (
    SELECT a.* FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
    WHERE c.oid = 'gate.key'::regclass
    UNION ALL
    SELECT e.* FROM pg_attribute AS a CROSS JOIN LATERAL aclexplode(a.attacl) AS e
    WHERE a.attrelid = 'gate.key'::regclass
) AS acl
LEFT JOIN pg_roles AS r ON r.oid = acl.grantee
WHERE r.rolname IS DISTINCT FROM 'stepwell_gate'
UNION ALL
SELECT 'gate.key', 'owned by ' || pg_get_userbyid(c.relowner)
FROM pg_class AS c
WHERE c.oid = 'gate.key'::regclass
    AND c.relowner <> (SELECT oid FROM pg_roles WHERE rolname = 'stepwell_gate')

-- name: gate_grants
SELECT 'gate.' || c.relname AS object, acl.privilege_type || ' to ' || r.rolname AS detail
FROM pg_class AS c
CROSS JOIN LATERAL (
    SELECT * FROM aclexplode(c.relacl)
    UNION ALL
    SELECT e.* FROM pg_attribute AS a CROSS JOIN LATERAL aclexplode(a.attacl) AS e
    WHERE a.attrelid = c.oid
) AS acl
JOIN router_role AS r ON r.oid = acl.grantee
WHERE c.relnamespace = 'gate'::regnamespace AND c.relname <> 'key'

-- name: home_place
SELECT 'tenant ' || h.tenant_id AS object, concat_ws(', ',
    CASE WHEN n.oid IS NULL THEN 'there is no schema ' || h.schema_name END,
    CASE WHEN r.oid IS NULL THEN 'there is no login ' || h.login END) AS detail
FROM gate.home AS h
LEFT JOIN pg_namespace AS n ON n.nspname = h.schema_name
LEFT JOIN pg_roles AS r ON r.rolname = h.login
WHERE h.state IN ('receiving', 'active') AND (n.oid IS NULL OR r.oid IS NULL)

-- name: session_functions
SELECT p.oid::regprocedure::text AS object, 'EXECUTE to ' || r.rolname AS detail
FROM pg_proc AS p
CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
JOIN router_role AS r ON r.oid = a.grantee
WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname IN (
    'pg_advisory_lock', 'pg_advisory_lock_shared',
    'pg_try_advisory_lock', 'pg_try_advisory_lock_shared',
    'lo_creat', 'lo_create', 'lo_from_bytea',
    'pg_terminate_backend', 'pg_cancel_backend',
    'pg_stat_get_activity', 'pg_stat_get_backend_activity',
    'pg_prepared_statement', 'pg_lock_status')

-- name: event_triggers
SELECT e.evtname AS object, 'calls ' || e.evtfoid::regprocedure::text AS detail
FROM pg_event_trigger AS e
WHERE e.evtenabled <> 'D' AND NOT EXISTS (SELECT FROM pg_depend AS d
    WHERE d.classid = 'pg_event_trigger'::regclass AND d.objid = e.oid AND d.deptype = 'e')

-- name: powerful_extensions
SELECT p.oid::regprocedure::text AS object,
    'callable by ' || string_agg(DISTINCT l.rolname, ', ') AS detail
FROM pg_proc AS p
JOIN pg_language AS g ON g.oid = p.prolang
JOIN pg_namespace AS n ON n.oid = p.pronamespace
LEFT JOIN pg_depend AS d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
    AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e'
LEFT JOIN pg_extension AS x ON x.oid = d.refobjid
JOIN router_login AS l ON has_schema_privilege(l.oid, n.oid, 'USAGE')
    AND has_function_privilege(l.oid, p.oid, 'EXECUTE')
WHERE x.extname IN ('dblink', 'adminpack', 'pg_surgery')
    OR (NOT g.lanpltrusted AND g.lanname NOT IN ('internal', 'c'))
GROUP BY p.oid
UNION ALL
SELECT s.srvname, 'foreign server, usable by ' || string_agg(DISTINCT l.rolname, ', ')
FROM pg_foreign_server AS s
JOIN router_login AS l ON has_server_privilege(l.oid, s.oid, 'USAGE')
GROUP BY s.srvname
