-- What was used: a ledger that only grows, its totals, and what of it the provider was told.

-- The ledger is what is shown in a dispute.
CREATE FUNCTION catalog.usage_is_append_only() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    RAISE EXCEPTION 'the ledger of usage is append-only: % is refused', TG_OP
        USING ERRCODE = 'check_violation', CONSTRAINT = 'usage_is_append_only';
END
$guard$;

-- One row for each report of a gateway. The same key with the same time is the same report, sent again.
CREATE TABLE catalog.usage_event (
    tenant_id   uuid NOT NULL,  -- without reference: the ledger outlives the tenant
    metric      text NOT NULL,
    quantity    bigint NOT NULL CONSTRAINT usage_is_positive CHECK (quantity > 0),
    key         text NOT NULL,
    at          timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, key, at)
) PARTITION BY RANGE (at);

-- Takes what comes for a month without a partition of its own, so that nothing is ever refused.
CREATE TABLE catalog.usage_event_rest PARTITION OF catalog.usage_event DEFAULT;

-- A trigger of the whole table doesn't fire for who names a partition, so each has its own.
CREATE TRIGGER usage_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON catalog.usage_event
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.usage_is_append_only();
CREATE TRIGGER usage_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON catalog.usage_event_rest
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.usage_is_append_only();

-- Makes the partition of a month, unless there is one; returns where the month's rows are. A month
-- that the rest holds rows of stays there: rows of the ledger don't move.
CREATE FUNCTION catalog.make_usage_month(day date) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $make$
DECLARE
    first  timestamptz := date_trunc('month', day::timestamp) AT TIME ZONE 'UTC';
    ends   timestamptz := (date_trunc('month', day::timestamp) + interval '1 month') AT TIME ZONE 'UTC';
    name   text := 'usage_event_' || to_char(day, 'YYYYMM');
BEGIN
    -- Two workers that make the same month at once: the second one finds it.
    PERFORM pg_advisory_xact_lock(hashtextextended('catalog.make_usage_month', 0));
    IF to_regclass('catalog.' || name) IS NOT NULL THEN
        RETURN name;
    END IF;
    IF EXISTS (SELECT FROM catalog.usage_event_rest WHERE at >= first AND at < ends) THEN
        RETURN 'usage_event_rest';
    END IF;
    EXECUTE format('CREATE TABLE catalog.%I PARTITION OF catalog.usage_event FOR VALUES FROM (%L) TO (%L)',
        name, first, ends);
    EXECUTE format('CREATE TRIGGER usage_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON catalog.%I'
        ' FOR EACH STATEMENT EXECUTE FUNCTION catalog.usage_is_append_only()', name);
    RETURN name;
END
$make$;
SELECT catalog.make_usage_month((now() AT TIME ZONE 'UTC')::date),
    catalog.make_usage_month(((now() AT TIME ZONE 'UTC') + interval '1 month')::date);

-- Written in the ledger's own transactions, so it always equals the ledger.
CREATE TABLE catalog.usage_hour (
    tenant_id uuid NOT NULL,
    metric    text NOT NULL,
    hour      timestamptz NOT NULL,
    quantity  bigint NOT NULL,
    PRIMARY KEY (tenant_id, metric, hour)
);
CREATE INDEX usage_hour_by_time ON catalog.usage_hour (hour);

-- The same, by calendar month of UTC: what limits are compared with, in one look.
CREATE TABLE catalog.usage_month (
    tenant_id uuid NOT NULL,
    metric    text NOT NULL,
    month     date NOT NULL CONSTRAINT month_begins_on_its_first_day
              CHECK (extract(day FROM month) = 1),
    quantity  bigint NOT NULL,
    PRIMARY KEY (tenant_id, metric, month)
);

-- What is measured from time to time instead of counted: the bytes that a tenant stores.
CREATE TABLE catalog.usage_gauge (
    tenant_id uuid NOT NULL CONSTRAINT gauge_is_of_a_tenant REFERENCES catalog.tenant,
    metric    text NOT NULL,
    quantity  bigint NOT NULL,
    at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, metric)
);

-- What the provider is told of a closed hour. What is recorded for that hour later gets a further
-- row, of the next number, so that the rows of an hour always add up to the hour.
CREATE TABLE catalog.meter_event (
    identifier text PRIMARY KEY,
    tenant_id  uuid NOT NULL,
    metric     text NOT NULL,
    hour       timestamptz NOT NULL,
    number     integer NOT NULL,
    quantity   bigint NOT NULL CONSTRAINT meter_counts_upward CHECK (quantity > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Since when the provider may have counted it, though nobody heard so: it keeps identifiers
    -- for a day, so what is older isn't sent again before somebody has looked.
    tried_at   timestamptz,
    sent_at    timestamptz,
    attempts   integer NOT NULL DEFAULT 0,
    not_before timestamptz NOT NULL DEFAULT now(),
    error      text,
    CONSTRAINT meter_event_is_made_once UNIQUE (tenant_id, metric, hour, number)
);
CREATE INDEX meter_event_to_send ON catalog.meter_event (not_before) WHERE sent_at IS NULL;
