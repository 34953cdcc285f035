-- The last trial of a tenant's provider, as it is set now: one that is set otherwise has none.
CREATE TABLE catalog.sign_on_trial (
    tenant_id uuid PRIMARY KEY CONSTRAINT trial_is_of_a_sign_on
              REFERENCES catalog.single_sign_on ON DELETE CASCADE,
    tried_at  timestamptz NOT NULL DEFAULT now(),
    is_good   boolean NOT NULL,
    told      jsonb NOT NULL
);
