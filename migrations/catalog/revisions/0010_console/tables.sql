-- What operators hold in their hand at three in the morning, and look a tenant up by.

CREATE INDEX audit_by_request ON catalog.audit (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX billing_by_customer ON catalog.billing (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX invitation_by_email ON catalog.invitation (lower(email));

-- What the doctor found when a worker had it look last; there is one row or none.
CREATE TABLE catalog.checkup (
    is_last    boolean PRIMARY KEY DEFAULT true CONSTRAINT checkup_is_the_last_one CHECK (is_last),
    began_at   timestamptz NOT NULL DEFAULT now(),
    -- Somebody wants to know now, and not when it is due.
    is_wanted  boolean NOT NULL DEFAULT false,
    ended_at   timestamptz,
    rules      integer NOT NULL DEFAULT 0,
    findings   jsonb NOT NULL DEFAULT '[]'
);

-- Who kept the databases busy: written by gateways every some seconds, and forgotten after a day.
CREATE TABLE catalog.load (
    minute     timestamptz NOT NULL,
    tenant_id  uuid NOT NULL CONSTRAINT load_is_of_a_tenant REFERENCES catalog.tenant,
    requests   bigint NOT NULL,
    busy_ms    bigint NOT NULL,
    waiting_ms bigint NOT NULL,
    PRIMARY KEY (minute, tenant_id)
);
