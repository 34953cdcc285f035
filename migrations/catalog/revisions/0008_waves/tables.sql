-- Waves. A migration is an operation of kind 'migration' with what only migrations have: it brings
-- places to a revision of the product, wave by wave. A place is where tables are: the shared tables
-- of a database once, each schema once, each database of one tenant once.

CREATE TABLE catalog.migration (
    id            uuid PRIMARY KEY CONSTRAINT migration_is_an_operation REFERENCES catalog.operation,
    -- The revision that every place is brought to, and the one that new tenants of later waves get.
    target        text NOT NULL,
    source        text NOT NULL,
    direction     text NOT NULL CONSTRAINT migration_direction_is_known CHECK (direction IN ('up', 'down')),
    rules         jsonb NOT NULL,
    wave          integer NOT NULL DEFAULT 1 CONSTRAINT waves_begin_at_one CHECK (wave > 0),
    waves         integer NOT NULL CONSTRAINT migration_has_waves CHECK (waves > 0),
    requested_by  text NOT NULL,
    requested_at  timestamptz NOT NULL DEFAULT now(),
    reason        text NOT NULL CONSTRAINT migration_has_a_reason CHECK (reason <> ''),
    paused_at     timestamptz,
    paused_by     text,
    ended_at      timestamptz,
    CONSTRAINT paused_by_somebody CHECK (num_nulls(paused_at, paused_by) IN (0, 2))
);
CREATE UNIQUE INDEX one_migration_is_open ON catalog.migration ((true)) WHERE ended_at IS NULL;
CREATE INDEX migration_by_age ON catalog.migration (requested_at, id);

-- Where each place was when somebody looked last; the place itself is the truth.
CREATE TABLE catalog.place (
    cluster     text NOT NULL CONSTRAINT place_is_on_a_cluster REFERENCES catalog.cluster,
    database    text NOT NULL,
    schema_name text NOT NULL,
    tier        text NOT NULL CONSTRAINT place_tier_is_known
                CHECK (tier IN ('rows', 'schema', 'database')),
    revision    text NOT NULL,
    changed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (cluster, database, schema_name)
);
CREATE INDEX place_by_change ON catalog.place (changed_at);

-- The ledger: how far each revision is in each place, and why it isn't further.
CREATE TABLE catalog.place_revision (
    cluster     text NOT NULL,
    database    text NOT NULL,
    schema_name text NOT NULL,
    revision    text NOT NULL,
    migration   uuid NOT NULL CONSTRAINT entry_is_of_a_migration REFERENCES catalog.migration,
    state       text NOT NULL CONSTRAINT entry_state_is_known
                CHECK (state IN ('pending', 'running', 'done', 'failed', 'skipped')),
    wave        integer NOT NULL CONSTRAINT entry_wave_is_positive CHECK (wave > 0),
    attempts    integer NOT NULL DEFAULT 0,
    started_at  timestamptz,
    finished_at timestamptz,
    -- How far a step is that fills rows; the place itself knows where it goes on.
    rows_filled bigint NOT NULL DEFAULT 0,
    -- What failed; or, of one that is pending, what it waits for.
    error       text,
    PRIMARY KEY (cluster, database, schema_name, revision),
    CONSTRAINT running_entry_was_started CHECK (state <> 'running' OR started_at IS NOT NULL),
    CONSTRAINT failed_entry_says_why CHECK (state <> 'failed' OR error IS NOT NULL)
);
CREATE INDEX entry_by_migration ON catalog.place_revision (migration, wave, state);
CREATE INDEX entry_at_work ON catalog.place_revision (cluster, database, schema_name)
    WHERE state = 'running';

-- What a revision was when it first ran anywhere, and what its tables look like then: to know an
-- edited one, and a place that somebody altered by hand.
CREATE TABLE catalog.product_revision (
    revision   text PRIMARY KEY,
    sql_hash   text NOT NULL,
    shapes     jsonb NOT NULL DEFAULT '{}',
    first_at   timestamptz NOT NULL DEFAULT now()
);

-- Never changed by a later revision, as catalog.tenant_whole.
CREATE VIEW catalog.migration_whole AS
SELECT m.id, m.target, m.source, m.direction, m.rules::text AS rules, m.wave, m.waves,
    m.requested_by, m.requested_at, m.reason, m.paused_at, m.paused_by, m.ended_at,
    o.state, o.error, o.attempts, o.started_at, o.lease_owner
FROM catalog.migration AS m JOIN catalog.operation AS o ON o.id = m.id;
