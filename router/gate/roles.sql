-- Cluster-wide roles; run once per cluster by its administrator, and again whenever in doubt.
-- No role here is a superuser or bypasses row security, and only stepwell_app can log in.
DO $roles$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY[
        'stepwell_owner',  -- owns every table that holds tenants' rows
        'stepwell_gate',   -- owns the gate: the only role that can read its keys
        'stepwell_login',  -- what every login of the router may do: call the gate
        'stepwell_rows',   -- what a login that serves the shared tables may do as well
        'stepwell_app'     -- the router's login for tenants whose isolation is shared
    ] LOOP
        BEGIN
            EXECUTE format(
                'CREATE ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION NOLOGIN',
                role_name
            );
        EXCEPTION
            -- Two provisioners may meet here; pg_authid answers the second with either error.
            WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END LOOP;
END
$roles$;

GRANT stepwell_owner TO CURRENT_USER;
GRANT stepwell_gate TO CURRENT_USER;
GRANT stepwell_login TO stepwell_app;
GRANT stepwell_rows TO stepwell_app;
