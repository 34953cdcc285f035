-- What operators hold in their hand at three in the morning, and look a tenant up by.

CREATE INDEX audit_by_request ON catalog.audit (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX billing_by_customer ON catalog.billing (customer_id) WHERE customer_id IS NOT NULL;
CREATE INDEX invitation_by_email ON catalog.invitation (lower(email));
