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
