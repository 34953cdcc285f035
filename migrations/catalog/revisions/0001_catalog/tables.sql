-- The catalog: the truth about tenants, plans, clusters, accounts and operations.
-- Constraints are named as sentences, because an operator meets them in an error message.

-- ── What is sold ────────────────────────────────────────────────────────────────────────────────

CREATE TABLE catalog.plan (
    name            text PRIMARY KEY CONSTRAINT plan_name_is_a_word CHECK (name ~ '^[a-z][a-z0-9_-]{0,39}$'),
    tier            text NOT NULL CONSTRAINT plan_tier_is_known
                    CHECK (tier IN ('rows', 'schema', 'database')),
    current_version integer NOT NULL
);

-- A version never changes: a tenant keeps the limits it bought until its plan is set anew.
CREATE TABLE catalog.plan_version (
    plan       text NOT NULL CONSTRAINT version_is_of_a_plan REFERENCES catalog.plan,
    version    integer NOT NULL CONSTRAINT plan_versions_begin_at_one CHECK (version > 0),
    limits     jsonb NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (plan, version)
);

ALTER TABLE catalog.plan ADD CONSTRAINT plan_has_its_current_version
    FOREIGN KEY (name, current_version) REFERENCES catalog.plan_version
    DEFERRABLE INITIALLY DEFERRED;

-- ── Where tenants can live ──────────────────────────────────────────────────────────────────────

CREATE TABLE catalog.cluster (
    name            text PRIMARY KEY CONSTRAINT cluster_name_is_a_word CHECK (name ~ '^[a-z][a-z0-9-]{0,39}$'),
    role            text NOT NULL CONSTRAINT cluster_role_is_known
                    CHECK (role IN ('shared', 'dedicated')),
    region          text NOT NULL,
    capacity        integer NOT NULL CONSTRAINT cluster_capacity_is_positive CHECK (capacity > 0),
    state           text NOT NULL DEFAULT 'accepting' CONSTRAINT cluster_state_is_known
                    CHECK (state IN ('accepting', 'draining')),
    host            text NOT NULL,
    port            integer NOT NULL CONSTRAINT cluster_port_is_a_port CHECK (port BETWEEN 1 AND 65535),
    pooler_host     text,
    pooler_port     integer CONSTRAINT pooler_port_is_a_port CHECK (pooler_port BETWEEN 1 AND 65535),
    shared_database text NOT NULL,
    maintenance_database text NOT NULL DEFAULT 'postgres',
    dsn_sealed      bytea NOT NULL,  -- the administrator's address, password included
    created_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pooler_has_host_and_port CHECK ((pooler_host IS NULL) = (pooler_port IS NULL))
);

-- ── Tenants ─────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE catalog.tenant (
    -- Random, not by time: the first half of the id is the key of the tenant's advisory lock.
    id             uuid PRIMARY KEY,
    slug           text NOT NULL,
    name           text NOT NULL CONSTRAINT tenant_name_has_1_to_200_characters
                   CHECK (length(name) BETWEEN 1 AND 200),
    status         text NOT NULL DEFAULT 'provisioning' CONSTRAINT tenant_status_is_known
                   CHECK (status IN ('provisioning', 'active', 'maintenance', 'suspended', 'erased')),
    isolation      text NOT NULL CONSTRAINT tenant_isolation_is_known
                   CHECK (isolation IN ('shared', 'strict')),
    plan           text NOT NULL,
    plan_version   integer NOT NULL,
    pinned_tier    text CONSTRAINT pinned_tier_is_known
                   CHECK (pinned_tier IN ('rows', 'schema', 'database')),
    pinned_cluster text CONSTRAINT pinned_cluster_exists REFERENCES catalog.cluster,
    pin_reason     text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    changed_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tenant_pays_for_a_plan
        FOREIGN KEY (plan, plan_version) REFERENCES catalog.plan_version,
    CONSTRAINT pin_has_a_reason
        CHECK ((pinned_tier IS NULL AND pinned_cluster IS NULL) = (pin_reason IS NULL))
);

-- Every slug that a tenant ever had: an old one still leads to it, and nobody else can take it.
CREATE TABLE catalog.slug (
    slug       text PRIMARY KEY CONSTRAINT slug_is_a_dns_label
               CHECK (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$' AND length(slug) <= 40),
    tenant_id  uuid NOT NULL CONSTRAINT slug_leads_to_a_tenant
               REFERENCES catalog.tenant DEFERRABLE INITIALLY DEFERRED,
    is_current boolean NOT NULL,
    since      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT slug_is_of_one_tenant UNIQUE (slug, tenant_id)
);
CREATE UNIQUE INDEX tenant_has_one_current_slug ON catalog.slug (tenant_id) WHERE is_current;
CREATE UNIQUE INDEX current_slug_names_one_tenant ON catalog.tenant (slug);
ALTER TABLE catalog.tenant ADD CONSTRAINT tenant_slug_is_in_its_history
    FOREIGN KEY (slug, id) REFERENCES catalog.slug (slug, tenant_id) DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE catalog.reserved_slug (
    slug   text PRIMARY KEY,
    reason text NOT NULL
);

CREATE TABLE catalog.domain (
    name        text PRIMARY KEY CONSTRAINT domain_name_is_lower_case CHECK (name = lower(name)),
    tenant_id   uuid NOT NULL CONSTRAINT domain_leads_to_a_tenant REFERENCES catalog.tenant,
    verified_at timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX domain_by_tenant ON catalog.domain (tenant_id);

-- Where a tenant's rows are now: written by provisioning and by moves alone.
CREATE TABLE catalog.placement (
    tenant_id   uuid PRIMARY KEY CONSTRAINT placement_is_of_a_tenant REFERENCES catalog.tenant,
    tier        text NOT NULL CONSTRAINT placement_tier_is_known
                CHECK (tier IN ('rows', 'schema', 'database')),
    cluster     text NOT NULL CONSTRAINT placement_is_on_a_cluster REFERENCES catalog.cluster,
    database    text NOT NULL,
    schema_name text NOT NULL,
    login       text NOT NULL,
    epoch       bigint NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX placement_by_cluster ON catalog.placement (cluster);

-- ── People and their credentials ────────────────────────────────────────────────────────────────

CREATE TABLE catalog.account (
    id            uuid PRIMARY KEY,
    email         text NOT NULL CONSTRAINT email_has_at_most_254_characters CHECK (length(email) <= 254),
    password_hash text,  -- null: invited, has no password yet
    name          text NOT NULL DEFAULT '',
    created_at    timestamptz NOT NULL DEFAULT now(),
    disabled_at   timestamptz
);
CREATE UNIQUE INDEX email_has_one_account ON catalog.account (lower(email));

CREATE TABLE catalog.custom_role (
    tenant_id   uuid NOT NULL CONSTRAINT role_is_of_a_tenant REFERENCES catalog.tenant,
    name        text NOT NULL CONSTRAINT custom_role_hides_no_shipped_one
                CHECK (name ~ '^[a-z][a-z0-9_-]{0,39}$'
                    AND name NOT IN ('owner', 'admin', 'member', 'viewer')),
    permissions text[] NOT NULL CONSTRAINT permissions_are_known CHECK (permissions <@ ARRAY[
        'rows.read', 'rows.write', 'members.read', 'members.write', 'keys.read', 'keys.write',
        'billing.read', 'billing.write', 'settings.write', 'audit.read']),
    PRIMARY KEY (tenant_id, name)
);

CREATE TABLE catalog.membership (
    id         uuid PRIMARY KEY,
    tenant_id  uuid NOT NULL CONSTRAINT membership_is_in_a_tenant REFERENCES catalog.tenant,
    account_id uuid NOT NULL CONSTRAINT membership_is_of_an_account REFERENCES catalog.account,
    role       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT account_is_a_member_once UNIQUE (tenant_id, account_id)
);
CREATE INDEX membership_by_account ON catalog.membership (account_id);

CREATE TABLE catalog.invitation (
    id          uuid PRIMARY KEY,
    tenant_id   uuid NOT NULL CONSTRAINT invitation_is_into_a_tenant REFERENCES catalog.tenant,
    email       text NOT NULL,
    role        text NOT NULL,
    token_hash  bytea NOT NULL CONSTRAINT invitation_token_is_unique UNIQUE,
    expires_at  timestamptz NOT NULL,
    accepted_at timestamptz,
    invited_by  uuid CONSTRAINT invitation_is_by_an_account REFERENCES catalog.account,
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX one_open_invitation_per_email ON catalog.invitation (tenant_id, email)
    WHERE accepted_at IS NULL;

-- Tokens and keys are 256 random bits, so a plain hash is enough, and a stolen table opens nothing.
CREATE TABLE catalog.session (
    token_hash bytea PRIMARY KEY CONSTRAINT session_hash_is_sha256 CHECK (length(token_hash) = 32),
    account_id uuid NOT NULL CONSTRAINT session_is_of_an_account REFERENCES catalog.account,
    tenant_id  uuid CONSTRAINT session_is_in_a_tenant REFERENCES catalog.tenant,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    ended_at   timestamptz
);
CREATE INDEX session_by_account ON catalog.session (account_id);
CREATE INDEX session_by_expiry ON catalog.session (expires_at);

CREATE TABLE catalog.api_key (
    id           text PRIMARY KEY,
    tenant_id    uuid NOT NULL CONSTRAINT key_is_of_a_tenant REFERENCES catalog.tenant,
    name         text NOT NULL,
    role         text NOT NULL,
    secret_hash  bytea NOT NULL CONSTRAINT key_hash_is_sha256 CHECK (length(secret_hash) = 32),
    created_by   uuid CONSTRAINT key_is_by_an_account REFERENCES catalog.account,
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX api_key_by_tenant ON catalog.api_key (tenant_id);

-- ── Work ────────────────────────────────────────────────────────────────────────────────────────

CREATE TABLE catalog.operation (
    id              uuid PRIMARY KEY,
    kind            text NOT NULL,
    tenant_id       uuid CONSTRAINT operation_is_on_a_tenant REFERENCES catalog.tenant,
    cluster         text CONSTRAINT operation_takes_room_on_a_cluster REFERENCES catalog.cluster,
    state           text NOT NULL DEFAULT 'waiting' CONSTRAINT operation_state_is_known
                    CHECK (state IN ('waiting', 'running', 'done', 'failed', 'cancelled')),
    step            text,
    data            jsonb NOT NULL DEFAULT '{}',
    idempotency_key text CONSTRAINT operation_is_recorded_once UNIQUE,
    lease_owner     text,
    fencing_token   bigint NOT NULL DEFAULT 0,
    lease_until     timestamptz,
    not_before      timestamptz NOT NULL DEFAULT now(),
    attempts        integer NOT NULL DEFAULT 0,
    error           text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    started_at      timestamptz,
    finished_at     timestamptz,
    CONSTRAINT running_operation_has_a_lease
        CHECK (state <> 'running' OR (lease_owner IS NOT NULL AND lease_until IS NOT NULL)),
    CONSTRAINT ended_operation_has_an_end
        CHECK ((state IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL))
);
CREATE INDEX operation_to_do ON catalog.operation (not_before) WHERE state IN ('waiting', 'running');
CREATE INDEX operation_by_tenant ON catalog.operation (tenant_id, created_at);
CREATE INDEX operation_by_age ON catalog.operation (created_at, id);

CREATE TABLE catalog.operation_log (
    operation_id uuid NOT NULL CONSTRAINT log_is_of_an_operation REFERENCES catalog.operation,
    position     integer NOT NULL,
    at           timestamptz NOT NULL DEFAULT now(),
    step         text,
    note         text NOT NULL,
    PRIMARY KEY (operation_id, position)
);

CREATE TABLE catalog.audit (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL DEFAULT now(),
    tenant_id  uuid,
    actor      text NOT NULL,
    action     text NOT NULL,
    target     text NOT NULL,
    reason     text,
    detail     jsonb NOT NULL DEFAULT '{}',
    request_id text
);
CREATE INDEX audit_by_tenant ON catalog.audit (tenant_id, id);

-- Keys themselves are derived from the secret key: only their numbers are kept.
CREATE TABLE catalog.gate_key (
    id         integer PRIMARY KEY CONSTRAINT gate_key_id_has_four_digits CHECK (id BETWEEN 1 AND 65535),
    state      text NOT NULL CONSTRAINT gate_key_state_is_known
               CHECK (state IN ('current', 'installing', 'retiring')),
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX one_gate_key_is_current ON catalog.gate_key (state) WHERE state = 'current';
CREATE UNIQUE INDEX one_gate_key_is_installing ON catalog.gate_key (state) WHERE state = 'installing';

-- Answers to platform requests with an Idempotency-Key; status is null while the first one runs.
CREATE TABLE catalog.answer (
    actor       text NOT NULL,
    key         text NOT NULL,
    fingerprint bytea NOT NULL,
    status      smallint,
    body_sealed bytea,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, key),
    CONSTRAINT answer_is_whole_or_absent CHECK ((status IS NULL) = (body_sealed IS NULL))
);
CREATE INDEX answer_by_age ON catalog.answer (created_at);

CREATE TABLE catalog.reference_table (
    name       text PRIMARY KEY,
    version    bigint NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);

-- A tenant as the directory remembers it. Never changed by a later revision, which makes another
-- view instead: running processes hold prepared statements that select every column of it.
CREATE VIEW catalog.tenant_whole AS
SELECT t.id, t.slug, t.name, t.status, t.isolation, t.plan, t.plan_version, v.limits::text AS limits,
    t.pinned_tier, t.pinned_cluster, t.pin_reason, t.created_at, t.changed_at,
    p.tier, p.cluster, p.database, p.schema_name, p.login, p.epoch
FROM catalog.tenant AS t
JOIN catalog.plan_version AS v ON v.plan = t.plan AND v.version = t.plan_version
LEFT JOIN catalog.placement AS p ON p.tenant_id = t.id;
