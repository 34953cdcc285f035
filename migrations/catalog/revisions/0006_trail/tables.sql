-- The trail: an audit that is a chain, and staff's access to a tenant's rows.

-- ── The chains of the audit ─────────────────────────────────────────────────────────────────────

-- Sixteen, because writers of one chain commit one after the other: docs/decisions/0015.
CREATE TABLE catalog.audit_head (
    chain    smallint PRIMARY KEY,
    position bigint NOT NULL,
    hash     bytea NOT NULL CONSTRAINT head_hash_is_sha256 CHECK (length(hash) = 32)
) WITH (fillfactor = 20);
INSERT INTO catalog.audit_head (chain, position, hash)
SELECT chain, 0, sha256(convert_to('stepwell audit ' || chain, 'UTF8'))
FROM generate_series(0, 15) AS chain;

CREATE TABLE catalog.audit_link (
    chain    smallint NOT NULL CONSTRAINT link_is_in_a_chain REFERENCES catalog.audit_head,
    position bigint NOT NULL,
    entry_id bigint NOT NULL CONSTRAINT entry_is_linked_once UNIQUE,
    hash     bytea NOT NULL CONSTRAINT link_hash_is_sha256 CHECK (length(hash) = 32),
    PRIMARY KEY (chain, position)
);

-- Where all chains stood, signed with a key that the database doesn't know.
CREATE TABLE catalog.audit_seal (
    number    bigint PRIMARY KEY CONSTRAINT seals_begin_at_one CHECK (number > 0),
    sealed_at timestamptz NOT NULL,
    heads     jsonb NOT NULL,
    digest    bytea NOT NULL CONSTRAINT seal_digest_is_unique UNIQUE,
    signature bytea NOT NULL
);

-- ── Staff's access to a tenant's rows ───────────────────────────────────────────────────────────

CREATE TABLE catalog.access (
    id           uuid PRIMARY KEY,
    tenant_id    uuid NOT NULL CONSTRAINT access_is_to_a_tenant REFERENCES catalog.tenant,
    mode         text NOT NULL CONSTRAINT access_mode_is_known CHECK (mode IN ('read', 'write')),
    reason       text NOT NULL CONSTRAINT access_has_a_reason CHECK (length(reason) BETWEEN 1 AND 500),
    ticket       text NOT NULL CONSTRAINT access_has_a_ticket CHECK (length(ticket) BETWEEN 1 AND 100),
    minutes      integer NOT NULL CONSTRAINT access_takes_a_day_at_most CHECK (minutes BETWEEN 1 AND 1440),
    requested_by text NOT NULL,  -- the address of one of the staff, or token: the operators' own
    requested_at timestamptz NOT NULL DEFAULT now(),
    approved_by  text,
    approved_at  timestamptz,
    token_hash   bytea CONSTRAINT access_token_is_unique UNIQUE,
    begun_at     timestamptz,
    ends_at      timestamptz,
    ended_at     timestamptz,
    ended_by     text,  -- null: it ended by itself
    requests     integer NOT NULL DEFAULT 0,
    CONSTRAINT access_has_four_eyes CHECK (approved_by <> requested_by),
    CONSTRAINT approval_is_whole CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
    CONSTRAINT write_begins_with_an_approval
        CHECK (mode = 'read' OR begun_at IS NULL OR approved_by IS NOT NULL),
    CONSTRAINT begun_access_has_a_token_and_an_end
        CHECK ((begun_at IS NULL) = (token_hash IS NULL) AND (begun_at IS NULL) = (ends_at IS NULL)),
    CONSTRAINT access_ends_in_time CHECK (ends_at <= begun_at + minutes * interval '1 minute')
);
CREATE INDEX access_by_tenant ON catalog.access (tenant_id, requested_at, id);
CREATE INDEX access_by_age ON catalog.access (requested_at, id);
CREATE INDEX access_to_end ON catalog.access (ends_at) WHERE ended_at IS NULL;

-- One request of the staff, written before it runs.
CREATE TABLE catalog.access_line (
    access_id  uuid NOT NULL CONSTRAINT line_is_of_an_access REFERENCES catalog.access,
    position   integer NOT NULL,
    at         timestamptz NOT NULL DEFAULT now(),
    request_id text NOT NULL,
    method     text NOT NULL,
    path       text NOT NULL CONSTRAINT line_path_is_bounded CHECK (length(path) <= 2000),
    status     smallint,  -- null: it still runs, or it was broken off
    PRIMARY KEY (access_id, position)
);

-- One statement of such a request, written before it runs and without its values: those are the
-- tenant's, and would outlive its erasure here.
CREATE TABLE catalog.access_statement (
    access_id uuid NOT NULL,
    position  integer NOT NULL,
    number    integer NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    text      text NOT NULL CONSTRAINT statement_is_bounded CHECK (length(text) <= 2000),
    PRIMARY KEY (access_id, position, number),
    CONSTRAINT statement_is_of_a_line FOREIGN KEY (access_id, position) REFERENCES catalog.access_line
);

CREATE VIEW catalog.access_whole AS
SELECT a.id, a.tenant_id, t.slug, a.mode, a.reason, a.ticket, a.minutes, a.requested_by,
    a.requested_at, a.approved_by, a.approved_at, a.begun_at, a.ends_at, a.ended_at, a.ended_by,
    a.requests,
    CASE
        WHEN a.begun_at IS NOT NULL AND a.ended_at IS NULL AND a.ends_at > now() THEN 'active'
        WHEN a.begun_at IS NOT NULL THEN 'ended'
        WHEN a.ended_at IS NOT NULL AND a.ended_by = a.requested_by THEN 'withdrawn'
        WHEN a.ended_at IS NOT NULL THEN 'denied'
        WHEN coalesce(a.approved_at, a.requested_at) < now() - interval '1 day' THEN 'lapsed'
        WHEN a.approved_at IS NOT NULL OR a.mode = 'read' THEN 'ready'
        ELSE 'requested'
    END AS state
FROM catalog.access AS a
JOIN catalog.tenant AS t ON t.id = a.tenant_id;
