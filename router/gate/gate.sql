-- The gate: every transaction of a tenant enters its database here, once, in its first message.
-- Run by the cluster's administrator as one transaction in each database that holds tenants.
-- Everything belongs to stepwell_gate; the router's logins may call the functions and see nothing.

-- What reaches beyond the transaction that calls it is not for tenants: locks and large objects
-- that stay on a shared connection, the end of other sessions, the statements that others run or
-- prepared, the keys of the locks that they hold. Where the administrator isn't a superuser these
-- are warnings: docs/explanation/what-isolation-does-not-cover.md says what is visible then.
REVOKE EXECUTE ON FUNCTION
    pg_advisory_lock(bigint), pg_advisory_lock(integer, integer),
    pg_advisory_lock_shared(bigint), pg_advisory_lock_shared(integer, integer),
    pg_try_advisory_lock(bigint), pg_try_advisory_lock(integer, integer),
    pg_try_advisory_lock_shared(bigint), pg_try_advisory_lock_shared(integer, integer),
    lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea),
    pg_terminate_backend(integer, bigint), pg_cancel_backend(integer),
    pg_stat_get_activity(integer), pg_stat_get_backend_activity(integer),
    pg_prepared_statement(), pg_lock_status()
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pg_terminate_backend(integer, bigint), pg_cancel_backend(integer)
    TO pg_signal_backend;
GRANT EXECUTE ON FUNCTION
    pg_stat_get_activity(integer), pg_stat_get_backend_activity(integer), pg_lock_status()
    TO pg_monitor;

CREATE SCHEMA gate AUTHORIZATION stepwell_gate;
SET LOCAL ROLE stepwell_gate;
SET LOCAL search_path = pg_catalog, pg_temp;

-- HMAC keys, already split into the two padded blocks of RFC 2104, as core PostgreSQL has sha256
-- and no hmac. Never in a function's body: pg_proc is readable by everyone.
CREATE TABLE gate.key (
    id        integer PRIMARY KEY,
    inner_pad bytea NOT NULL CONSTRAINT inner_pad_is_one_block CHECK (length(inner_pad) = 64),
    outer_pad bytea NOT NULL CONSTRAINT outer_pad_is_one_block CHECK (length(outer_pad) = 64)
);

-- Who lives here. place is the tenant's placement: this one, or, after a move, the one it went to.
CREATE TABLE gate.home (
    tenant_id   uuid PRIMARY KEY,
    state       text NOT NULL CONSTRAINT state_is_known
                CHECK (state IN ('receiving', 'active', 'moved', 'erased')),
    epoch       bigint NOT NULL CONSTRAINT epoch_is_positive CHECK (epoch > 0),
    schema_name text NOT NULL,
    login       name NOT NULL,
    place       jsonb NOT NULL,
    -- Whether the changes of this tenant are written down for a move, from its next transaction on.
    capture     boolean NOT NULL DEFAULT false,
    -- How long each of its writing transactions waits, so that a move can catch up with them.
    delay_ms    integer NOT NULL DEFAULT 0 CONSTRAINT delay_is_short CHECK (delay_ms BETWEEN 0 AND 100)
) WITH (fillfactor = 80);

-- The keys of the rows that changed while their tenant was captured: which, never how, as the rows
-- are read again. A key that stands here twice, or for nothing, does no harm.
CREATE TABLE gate.change (
    tenant_id  uuid NOT NULL,
    xid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    table_name text NOT NULL,
    key        jsonb NOT NULL
);
CREATE INDEX change_by_tenant ON gate.change (tenant_id, xid);

-- Who may work on a move here, and how far the rows of this database are; both in one row, so that
-- a mover whose token is old can't write either.
CREATE TABLE gate.move (
    move_id   uuid PRIMARY KEY,
    tenant_id uuid NOT NULL,
    token     bigint NOT NULL,
    data      jsonb NOT NULL DEFAULT '{}'
);

-- Generated ids of the shared tables: one counter per tenant and table, so that ids neither clash
-- when a tenant moves down nor tell one tenant how busy the others are.
CREATE TABLE gate.counter (
    tenant_id  uuid NOT NULL,
    table_name text NOT NULL,
    value      bigint NOT NULL,
    PRIMARY KEY (tenant_id, table_name)
) WITH (fillfactor = 50);

-- The product's revision of each schema of this database.
CREATE TABLE gate.revision (
    schema_name text PRIMARY KEY,
    revision    text NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now()
);

-- What each revision has done in a schema, noted in the transaction that did it: the truth about
-- what was applied, and so it is applied once. progress is where a long step goes on.
CREATE TABLE gate.applied (
    schema_name text NOT NULL,
    revision    text NOT NULL,
    sql_hash    text NOT NULL,
    steps_done  integer NOT NULL,
    is_whole    boolean NOT NULL,
    progress    jsonb,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (schema_name, revision)
);

-- Enters one tenant for the rest of the transaction.
-- capability: purpose (1) tenant (32) epoch (16) expiry in ms (12) key (4) mac (64), hexadecimal.
-- SW001: the tenant is not here at that epoch; DETAIL is its placement as JSON, {} when unknown.
-- SW002: the capability is wrong, late, or came in the middle of a transaction.
--
-- One query finds everything out, as each expression of its own costs plpgsql a microsecond in each
-- transaction, however little it does. What is wrong is asked only when something is.
CREATE FUNCTION gate.enter(capability text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $gate$
DECLARE
    purpose      text := left(capability, 1);
    tenant       uuid;
    is_held      boolean;
    is_authentic boolean;
    is_fresh     boolean;
    is_fitting   boolean;
    is_here      boolean;
    stamp        text;
    wait_ms      integer;
BEGIN
    IF length(capability) <> 129 THEN
        RAISE EXCEPTION 'the capability is malformed' USING ERRCODE = 'SW002';
    END IF;
    -- The router enters in the message that begins the transaction. A capability that somebody
    -- read in pg_stat_activity and injected into a later statement comes too late.
    IF transaction_timestamp() <> statement_timestamp() THEN
        RAISE EXCEPTION 'the gate opens only at the start of a transaction'
            USING ERRCODE = 'SW002';
    END IF;
    tenant := substr(capability, 2, 32);

    IF purpose <> 'm' THEN
        -- A move takes this lock exclusively to shut the tenant's old place. The lock comes first
        -- and the row second: the other way round the row may be read before a move and believed
        -- after it.
        is_held := pg_advisory_xact_lock_shared(
            ('x' || substr(capability, 2, 16))::bit(64)::bigint) IS NULL;
        IF current_setting('transaction_isolation') <> 'read committed'
            AND current_setting('transaction_read_only') <> 'on' THEN
            -- REPEATABLE READ took its snapshot before it waited for the lock, so a plain read
            -- would still see the tenant here after it moved. FOR SHARE answers 40001 instead.
            PERFORM FROM gate.home AS h WHERE h.tenant_id = tenant FOR SHARE OF h;
        END IF;
    END IF;

    -- The stamp covers this transaction of this backend, so it is worthless anywhere else; it is
    -- made of fewer bytes than any capability, so neither can pass for the other. Its 41st
    -- character says whether changes are captured (c), or the platform itself is at work (m):
    -- gate.adopt() has the triggers that read it.
    SELECT
        sha256(k.outer_pad || sha256(k.inner_pad || convert_to(left(capability, 65), 'UTF8')))
            = decode(substr(capability, 66), 'hex'),
        to_timestamp(('x0000' || substr(capability, 50, 12))::bit(64)::bigint / 1000.0::float8)
            >= statement_timestamp(),
        CASE purpose
            WHEN 'w' THEN true
            WHEN 'r' THEN current_setting('transaction_read_only') = 'on'
            -- The platform's own work (provision, proof, erase) may look at a tenant in any state,
            -- and no login that serves requests can pass for it.
            WHEN 'm' THEN pg_has_role(session_user, 'stepwell_owner', 'MEMBER')
        END,
        purpose = 'm' OR (
            h.state = 'active'
            AND h.epoch = ('x' || substr(capability, 34, 16))::bit(64)::bigint
            AND h.login = session_user
        ),
        tenant || substr(capability, 62, 4) || f.flag || encode(sha256(k.outer_pad || sha256(
            k.inner_pad || uuid_send(tenant) || int4send(pg_backend_pid())
            || timestamptz_send(transaction_timestamp()) || decode(f.flag, 'escape'))), 'hex'),
        CASE WHEN purpose = 'w' THEN h.delay_ms END
    INTO is_authentic, is_fresh, is_fitting, is_here, stamp, wait_ms
    FROM gate.key AS k LEFT JOIN gate.home AS h ON h.tenant_id = tenant
    CROSS JOIN LATERAL (
        SELECT CASE WHEN purpose = 'm' THEN 'm' WHEN h.capture THEN 'c' ELSE '.' END) AS f(flag)
    WHERE k.id = ('x' || substr(capability, 62, 4))::bit(16)::integer;

    IF (is_authentic AND is_fresh AND is_fitting AND is_here) IS TRUE THEN
        is_held := set_config('gate.stamp', stamp, true) IS NULL;
        IF wait_ms > 0 THEN
            PERFORM pg_sleep(wait_ms / 1000.0::float8);
        END IF;
        RETURN;
    END IF;
    IF is_authentic IS NOT TRUE THEN
        RAISE EXCEPTION 'the capability is not authentic' USING ERRCODE = 'SW002';
    ELSIF is_fresh IS NOT TRUE THEN
        RAISE EXCEPTION 'the capability has expired' USING ERRCODE = 'SW002',
            HINT = 'Compare the clocks of the router and of this server.';
    ELSIF is_fitting IS NOT TRUE THEN
        RAISE EXCEPTION 'the capability is for something else than this transaction'
            USING ERRCODE = 'SW002',
            HINT = 'One for reading fits READ ONLY, and the platform''s own fits its owner''s login.';
    END IF;
    RAISE EXCEPTION 'tenant % is not here at the epoch of the capability', tenant
        USING ERRCODE = 'SW001',
        DETAIL = coalesce((SELECT h.place::text FROM gate.home AS h WHERE h.tenant_id = tenant), '{}');
END
$gate$;

-- The tenant that this transaction entered; NULL when it entered none. Every policy asks it, once
-- a statement, as (SELECT gate.tenant()).
CREATE FUNCTION gate.tenant() RETURNS uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp
AS $gate$
DECLARE
    stamp        text := current_setting('gate.stamp', true);
    tenant       uuid;
    is_authentic boolean;
BEGIN
    IF coalesce(stamp, '') = '' THEN
        RETURN NULL;
    END IF;
    tenant := left(stamp, 36);
    SELECT sha256(k.outer_pad || sha256(k.inner_pad
            || uuid_send(tenant) || int4send(pg_backend_pid())
            || timestamptz_send(transaction_timestamp()) || decode(substr(stamp, 41, 1), 'escape')))
        = decode(substr(stamp, 42), 'hex')
    INTO is_authentic
    FROM gate.key AS k WHERE k.id = ('x' || substr(stamp, 37, 4))::bit(16)::integer;
    IF is_authentic IS NOT TRUE THEN
        RAISE EXCEPTION 'the tenant of this transaction is not authentic' USING ERRCODE = 'SW002';
    END IF;
    RETURN tenant;
END
$gate$;

-- What the transaction says its tenant is, unproved: the default of every tenant_id. It is asked
-- once a row, so it must be cheap, and it may be, as WITH CHECK holds each row against gate.tenant().
CREATE FUNCTION gate.claimed() RETURNS uuid
LANGUAGE sql STABLE PARALLEL RESTRICTED
RETURN nullif(left(current_setting('gate.stamp', true), 36), '')::uuid;

-- The next generated id of a shared table for this tenant. A transaction that inserts many rows
-- takes growing blocks (1, 2, 4 .. 1,000) and hands them out from a transaction-local setting; to
-- forge that setting spoils nobody's ids but one's own.
CREATE FUNCTION gate.next_id(of_table text) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $gate$
DECLARE
    setting text := 'gate.ids_' || of_table;
    block   bigint[] := nullif(current_setting(setting, true), '')::bigint[];  -- {next,last,size}
    size    bigint := 1;
    last    bigint;
    tenant  uuid;
BEGIN
    IF block IS NOT NULL THEN
        IF block[1] <= block[2] THEN
            PERFORM set_config(setting, ARRAY[block[1] + 1, block[2], block[3]]::text, true);
            RETURN block[1];
        END IF;
        size := least(greatest(block[3], 1) * 2, 1000);
    END IF;
    tenant := gate.tenant();
    IF tenant IS NULL THEN
        RAISE EXCEPTION 'no id for %: the transaction entered no tenant', of_table
            USING ERRCODE = 'SW003', HINT = 'Call gate.enter() in the message that begins it.';
    END IF;
    INSERT INTO gate.counter AS c (tenant_id, table_name, value) VALUES (tenant, of_table, size)
    ON CONFLICT (tenant_id, table_name) DO UPDATE SET value = c.value + size
    RETURNING c.value INTO last;
    PERFORM set_config(setting, ARRAY[last - size + 2, last, size]::text, true);
    RETURN last - size + 1;
END
$gate$;

-- Writes down which row changed. Its arguments are the columns of the primary key without the
-- tenant. It runs only in transactions whose stamp says so, and spells a key alike whatever the
-- tenant's own session says of dates, intervals and numbers.
CREATE FUNCTION gate.log_change() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, MDY'
SET intervalstyle = 'postgres'
SET extra_float_digits = 1
SET bytea_output = 'hex'
AS $gate$
DECLARE
    entry jsonb;
    seen  jsonb;
    key   jsonb;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        entry := to_jsonb(OLD);
        seen := (SELECT jsonb_agg(entry -> a.name ORDER BY a.place)
            FROM unnest(TG_ARGV) WITH ORDINALITY AS a(name, place));
        INSERT INTO gate.change (tenant_id, table_name, key)
        VALUES ((entry ->> 'tenant_id')::uuid, TG_TABLE_NAME, seen);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        entry := to_jsonb(NEW);
        key := (SELECT jsonb_agg(entry -> a.name ORDER BY a.place)
            FROM unnest(TG_ARGV) WITH ORDINALITY AS a(name, place));
        IF key IS DISTINCT FROM seen THEN
            INSERT INTO gate.change (tenant_id, table_name, key)
            VALUES ((entry ->> 'tenant_id')::uuid, TG_TABLE_NAME, key);
        END IF;
    END IF;
    RETURN NULL;
END
$gate$;

-- Rows that vanish without a trigger would be there again after the move.
CREATE FUNCTION gate.refuse_truncate() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $gate$
BEGIN
    IF EXISTS (SELECT FROM gate.home AS h WHERE h.capture AND h.schema_name = TG_TABLE_SCHEMA) THEN
        RAISE EXCEPTION 'table %.% can''t be truncated while a tenant of it moves',
            TG_TABLE_SCHEMA, TG_TABLE_NAME
            USING ERRCODE = 'SW004', HINT = 'Delete the rows, or truncate when the move is settled.';
    END IF;
    RETURN NULL;
END
$gate$;

GRANT USAGE ON SCHEMA gate TO stepwell_login;
GRANT USAGE, CREATE ON SCHEMA gate TO stepwell_owner;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON gate.home, gate.change, gate.move, gate.counter, gate.revision, gate.applied
    TO stepwell_owner;
REVOKE EXECUTE ON FUNCTION gate.enter(text), gate.tenant(), gate.claimed(), gate.next_id(text),
    gate.log_change(), gate.refuse_truncate() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION gate.log_change(), gate.refuse_truncate() TO stepwell_owner;
GRANT EXECUTE ON FUNCTION gate.enter(text), gate.tenant(), gate.claimed(), gate.next_id(text)
    TO stepwell_login, stepwell_owner;
