-- Rules of a whole cluster. Each names what it finds: object, detail. The section `given` goes in
-- front of every other one; $1 is what the examination knows, as JSON.

-- name: given
WITH RECURSIVE asked AS (
    SELECT $1::jsonb AS facts
), member AS (
    SELECT r.oid FROM pg_roles AS r WHERE r.rolname = 'stepwell_login'
    UNION
    SELECT m.member FROM pg_auth_members AS m JOIN member ON member.oid = m.roleid
), router_login AS (
    -- The administrator may have been made a member of what it created; it serves no request.
    SELECT r.oid, r.rolname FROM pg_roles AS r
    WHERE (r.rolname = 'stepwell_app' OR (r.rolcanlogin AND r.oid IN (SELECT oid FROM member)))
        AND r.rolname <> current_user
), router_role AS (
    SELECT oid, rolname FROM router_login
    UNION
    SELECT r.oid, r.rolname FROM pg_roles AS r WHERE r.rolname IN ('stepwell_login', 'stepwell_rows')
    UNION
    SELECT 0, 'PUBLIC'
), platform_role AS (
    SELECT oid, rolname FROM router_role WHERE oid <> 0
    UNION
    SELECT r.oid, r.rolname FROM pg_roles AS r WHERE r.rolname IN ('stepwell_owner', 'stepwell_gate')
)

-- name: password_encryption
SELECT 'password_encryption' AS object, current_setting('password_encryption') AS detail
WHERE current_setting('password_encryption') <> 'scram-sha-256'

-- name: role_flags
SELECT r.rolname AS object, concat_ws(', ',
    CASE WHEN r.rolsuper THEN 'SUPERUSER' END,
    CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
    CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
    CASE WHEN r.rolcreatedb THEN 'CREATEDB' END,
    CASE WHEN r.rolreplication THEN 'REPLICATION' END,
    CASE WHEN r.rolcanlogin AND l.oid IS NULL THEN 'LOGIN' END) AS detail
FROM platform_role AS p
JOIN pg_roles AS r ON r.oid = p.oid
LEFT JOIN router_login AS l ON l.oid = r.oid
WHERE r.rolsuper OR r.rolbypassrls OR r.rolcreaterole OR r.rolcreatedb OR r.rolreplication
    OR (r.rolcanlogin AND l.oid IS NULL)

-- name: role_membership
SELECT who.rolname AS object,
    'member of ' || whose.rolname || CASE WHEN m.admin_option THEN ', may pass it on' ELSE '' END
        AS detail
FROM pg_auth_members AS m
JOIN pg_roles AS who ON who.oid = m.member
JOIN pg_roles AS whose ON whose.oid = m.roleid
WHERE who.rolname <> current_user AND (
    (who.oid IN (SELECT oid FROM platform_role) AND (
        m.admin_option
        OR who.oid NOT IN (SELECT oid FROM router_login)
        OR whose.rolname NOT IN ('stepwell_login', 'stepwell_rows')))
    OR (who.oid NOT IN (SELECT oid FROM platform_role) AND NOT who.rolsuper
        AND whose.rolname IN ('stepwell_owner', 'stepwell_gate')))

-- name: login_owns_nothing
SELECT l.rolname AS object,
    CASE
        WHEN d.classid = 'pg_database'::regclass THEN
            'owns database ' || (SELECT datname FROM pg_database WHERE oid = d.objid)
        WHEN d.classid = 'pg_largeobject'::regclass THEN format('owns large object %s in database %s',
            d.objid, (SELECT datname FROM pg_database WHERE oid = d.dbid))
        ELSE format('owns an entry of %s in database %s', d.classid::regclass,
            (SELECT datname FROM pg_database WHERE oid = d.dbid))
    END AS detail
FROM pg_shdepend AS d
JOIN router_login AS l ON l.oid = d.refobjid
WHERE d.refclassid = 'pg_authid'::regclass AND d.deptype = 'o'

-- name: stuck_settings
SELECT r.rolname AS object, setting || coalesce(' in database ' || b.datname, '') AS detail
FROM pg_db_role_setting AS s
JOIN platform_role AS r ON r.oid = s.setrole
LEFT JOIN pg_database AS b ON b.oid = s.setdatabase
CROSS JOIN LATERAL unnest(s.setconfig) AS setting
WHERE split_part(setting, '=', 1) NOT IN ('row_security', 'role', 'session_replication_role',
    'session_preload_libraries', 'local_preload_libraries')

-- name: stuck_protection
SELECT coalesce(r.rolname, 'database ' || b.datname, 'all roles') AS object,
    setting || coalesce(' in database ' || b.datname, '') AS detail
FROM pg_db_role_setting AS s
LEFT JOIN platform_role AS r ON r.oid = s.setrole
LEFT JOIN pg_database AS b ON b.oid = s.setdatabase
CROSS JOIN LATERAL unnest(s.setconfig) AS setting
WHERE (r.oid IS NOT NULL OR s.setrole = 0)
    AND split_part(setting, '=', 1) IN ('row_security', 'role', 'session_replication_role',
        'session_preload_libraries', 'local_preload_libraries')

-- name: parameter_grants
SELECT r.rolname AS object, a.privilege_type || ' ON PARAMETER ' || p.parname AS detail
FROM pg_parameter_acl AS p
CROSS JOIN LATERAL aclexplode(p.paracl) AS a
JOIN router_role AS r ON r.oid = a.grantee
