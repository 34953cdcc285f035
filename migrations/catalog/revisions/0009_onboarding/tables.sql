-- Customers whom sales brings in, from the first draft until they are live.

CREATE TABLE catalog.onboarding (
    id            uuid PRIMARY KEY,
    name          text NOT NULL CONSTRAINT onboarding_has_a_name CHECK (length(name) BETWEEN 1 AND 200),
    stage         text NOT NULL DEFAULT 'draft' CONSTRAINT onboarding_stage_is_known
                  CHECK (stage IN ('draft', 'contract', 'provisioning', 'data', 'acceptance', 'live',
                      'closed')),
    owner         text NOT NULL,  -- who of the staff sees to it: an e-mail address
    due_on        date,
    -- What was agreed and where it shall go: onboarding_words.Document.
    document      jsonb NOT NULL,
    -- Of the customer's own server, until that is a cluster: then it is kept there.
    secret_sealed bytea,
    tenant_id     uuid CONSTRAINT onboarding_is_of_a_tenant REFERENCES catalog.tenant,
    -- Grows by one at each change, so that whoever saw an earlier one overwrites nothing.
    version       bigint NOT NULL DEFAULT 1,
    created_by    text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    changed_by    text NOT NULL,
    changed_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT late_onboarding_has_a_tenant
        CHECK (tenant_id IS NOT NULL OR stage NOT IN ('acceptance', 'live'))
);
CREATE INDEX onboarding_by_age ON catalog.onboarding (created_at, id);
CREATE UNIQUE INDEX tenant_is_onboarded_once ON catalog.onboarding (tenant_id)
    WHERE tenant_id IS NOT NULL AND stage <> 'closed';

-- What the acceptance sheet has shown, for the customer too. sha256 is that of the document.
CREATE TABLE catalog.onboarding_receipt (
    id            uuid PRIMARY KEY,
    onboarding_id uuid NOT NULL CONSTRAINT receipt_is_of_an_onboarding REFERENCES catalog.onboarding,
    made_at       timestamptz NOT NULL DEFAULT now(),
    made_by       text NOT NULL,
    has_passed    boolean NOT NULL,
    document      text NOT NULL,
    sha256        text NOT NULL CONSTRAINT receipt_says_what_was_shown
                  CHECK (sha256 = encode(sha256(convert_to(document, 'UTF8')), 'hex'))
);
CREATE INDEX receipt_by_onboarding ON catalog.onboarding_receipt (onboarding_id, made_at);

-- A customer's own server is a cluster where nobody goes who isn't sent there by name.
ALTER TABLE catalog.cluster ADD COLUMN is_reserved boolean NOT NULL DEFAULT false;
