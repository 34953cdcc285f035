-- Domains that tenants say are theirs. A claim leads nowhere: catalog.domain holds what was shown to
-- be true and is served, and nothing else. Several tenants may claim one domain; one can show it.
CREATE TABLE catalog.domain_claim (
    tenant_id   uuid NOT NULL CONSTRAINT claim_is_of_a_tenant REFERENCES catalog.tenant,
    name        text NOT NULL CONSTRAINT claimed_name_is_lower_case CHECK (name = lower(name)),
    token       text NOT NULL,  -- what the record has to say
    claimed_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,  -- of a claim that wasn't shown to be true
    checked_at  timestamptz,
    check_at    timestamptz NOT NULL DEFAULT now(),  -- when a worker looks next
    problem     text,  -- what was missing at the last look
    verified_at timestamptz,
    off_at      timestamptz,  -- the record is gone: when the domain stops to be served
    PRIMARY KEY (tenant_id, name),
    CONSTRAINT open_claim_ends CHECK ((expires_at IS NULL) = (verified_at IS NOT NULL)),
    CONSTRAINT only_what_is_served_goes_off CHECK (off_at IS NULL OR verified_at IS NOT NULL)
);
CREATE INDEX claim_by_name ON catalog.domain_claim (name);
CREATE INDEX claim_by_check ON catalog.domain_claim (check_at);

INSERT INTO catalog.domain_claim (tenant_id, name, token, claimed_at, expires_at, verified_at)
SELECT d.tenant_id, d.name, replace(gen_random_uuid()::text, '-', ''), d.created_at,
    CASE WHEN d.verified_at IS NULL THEN now() + interval '7 days' END, d.verified_at
FROM catalog.domain AS d;
DELETE FROM catalog.domain WHERE verified_at IS NULL;
ALTER TABLE catalog.domain
    ALTER COLUMN verified_at SET NOT NULL, ALTER COLUMN verified_at SET DEFAULT now();
