-- What is bought: prices, a tenant's account with the provider, the provider's events, notices.

-- Every price that ever led to a plan. A provider's price never changes: a new amount is a new row,
-- and whoever bought the old one keeps it. Written by `stepwell billing sync`.
CREATE TABLE catalog.price (
    provider   text NOT NULL,
    id         text NOT NULL,
    product_id text NOT NULL,
    lookup_key text NOT NULL,
    plan       text NOT NULL CONSTRAINT price_is_of_a_plan REFERENCES catalog.plan,
    charge     text NOT NULL CONSTRAINT price_charge_is_known CHECK (charge IN ('plan', 'seat', 'usage')),
    currency   text NOT NULL CONSTRAINT price_currency_is_a_code CHECK (currency ~ '^[a-z]{3}$'),
    amount     bigint NOT NULL CONSTRAINT price_amount_is_not_negative CHECK (amount >= 0),  -- minor units
    interval   text NOT NULL CONSTRAINT price_interval_is_known CHECK (interval IN ('month', 'year')),
    is_current boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (provider, id)
);
CREATE UNIQUE INDEX lookup_key_names_one_current_price ON catalog.price (provider, lookup_key)
    WHERE is_current;

-- A tenant's account with the provider. `dirty` grows with each event about the customer; `synced` is
-- what `dirty` was before the provider was asked for what `seen` holds: the tenant equals the provider
-- where both are the same, whatever was lost, doubled, late or reordered on the way.
CREATE TABLE catalog.billing (
    tenant_id      uuid PRIMARY KEY CONSTRAINT billing_is_of_a_tenant REFERENCES catalog.tenant,
    provider       text NOT NULL,
    customer_id    text,  -- null until the provider made it
    dirty          bigint NOT NULL DEFAULT 0,
    synced         bigint NOT NULL DEFAULT 0 CONSTRAINT synced_follows_dirty CHECK (synced <= dirty),
    seen           jsonb,
    seen_at        timestamptz,
    -- What sales ops agreed stands over what is bought by subscription, until it ends.
    contract_plan  text CONSTRAINT contract_is_on_a_plan REFERENCES catalog.plan,
    contract_reason text,
    contract_until timestamptz,
    -- Whether the tenant ever had more than its sign-up gave it: then it falls back when that ends.
    has_bought     boolean NOT NULL DEFAULT false,
    -- What the tenant may do now, and since and until when.
    standing       text NOT NULL DEFAULT 'good' CONSTRAINT standing_is_known
                   CHECK (standing IN ('good', 'grace', 'read_only')),
    standing_since timestamptz NOT NULL DEFAULT now(),
    standing_until timestamptz,
    standing_reason text,
    -- When time alone leads to another verdict.
    judge_at       timestamptz,
    -- What keeps the tenant from equalling the provider: a price that no list has, ...
    problem        text,
    attempts       integer NOT NULL DEFAULT 0,
    not_before     timestamptz NOT NULL DEFAULT now(),
    error          text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    changed_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT customer_is_of_one_tenant UNIQUE (provider, customer_id),
    CONSTRAINT contract_has_a_reason CHECK ((contract_plan IS NULL) = (contract_reason IS NULL)),
    CONSTRAINT contract_ends_only_where_there_is_one
        CHECK (contract_until IS NULL OR contract_plan IS NOT NULL),
    -- Nobody is locked out without a warning and a date: grace always has its end.
    CONSTRAINT grace_has_an_end CHECK (standing <> 'grace' OR standing_until IS NOT NULL)
);
CREATE INDEX billing_to_sync ON catalog.billing (not_before) WHERE synced < dirty;
CREATE INDEX billing_by_date ON catalog.billing (judge_at) WHERE judge_at IS NOT NULL;
CREATE INDEX billing_in_trouble ON catalog.billing (tenant_id) WHERE problem IS NOT NULL OR error IS NOT NULL;

-- The inbox: the provider's events, each stored once. What an event says is never believed: it only
-- tells whom to ask for. `sequence` is the account's `dirty` with this event counted.
CREATE TABLE catalog.inbox (
    provider    text NOT NULL,
    id          text NOT NULL,
    type        text NOT NULL,
    api_version text,
    customer_id text,
    sequence    bigint,
    state       text NOT NULL DEFAULT 'waiting' CONSTRAINT event_state_is_known
                CHECK (state IN ('waiting', 'handled', 'kept')),
    payload     text NOT NULL,
    deliveries  integer NOT NULL DEFAULT 1,
    attempts    integer NOT NULL DEFAULT 0,
    not_before  timestamptz NOT NULL DEFAULT now(),
    error       text,
    created_at  timestamptz NOT NULL,  -- when the provider made it
    received_at timestamptz NOT NULL DEFAULT now(),
    handled_at  timestamptz,
    PRIMARY KEY (provider, id),
    CONSTRAINT handled_event_has_its_time CHECK ((state = 'handled') = (handled_at IS NOT NULL))
);
CREATE INDEX inbox_by_customer ON catalog.inbox (provider, customer_id, sequence);
CREATE INDEX inbox_of_nobody ON catalog.inbox (provider, not_before)
    WHERE state = 'waiting' AND sequence IS NULL;
CREATE INDEX inbox_to_do ON catalog.inbox (not_before) WHERE state = 'waiting';
CREATE INDEX inbox_by_age ON catalog.inbox (received_at, id);

-- What a tenant's people are to be told, once each: `topic` keeps the second one out.
CREATE TABLE catalog.notice (
    id        uuid PRIMARY KEY,
    tenant_id uuid NOT NULL CONSTRAINT notice_is_to_a_tenant REFERENCES catalog.tenant,
    kind      text NOT NULL,
    topic     text NOT NULL,
    said      text NOT NULL,
    detail    jsonb NOT NULL DEFAULT '{}',
    due_at    timestamptz,  -- the date that it warns of
    at        timestamptz NOT NULL DEFAULT now(),
    ended_at  timestamptz,  -- since when it doesn't hold any more
    CONSTRAINT notice_is_given_once UNIQUE (tenant_id, kind, topic)
);
CREATE INDEX notice_by_tenant ON catalog.notice (tenant_id, at);

-- What one tenant may have beyond its plan, or less, until a day.
CREATE TABLE catalog.limit_override (
    id         uuid PRIMARY KEY,
    tenant_id  uuid NOT NULL CONSTRAINT override_is_for_a_tenant REFERENCES catalog.tenant,
    limits     jsonb NOT NULL CONSTRAINT override_names_a_limit
               CHECK (jsonb_typeof(limits) = 'object' AND limits <> '{}'),
    reason     text NOT NULL CONSTRAINT override_has_a_reason CHECK (reason <> ''),
    made_by    text NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    ended_at   timestamptz
);
CREATE INDEX override_by_tenant ON catalog.limit_override (tenant_id, made_at) WHERE ended_at IS NULL;
CREATE INDEX override_by_end ON catalog.limit_override (expires_at) WHERE ended_at IS NULL;
