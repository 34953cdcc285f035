-- What breaks each rule of billing. $1 is a tenant that has an account there and owes nothing.

-- name: provider_failing
UPDATE catalog.billing SET attempts = 3, error = 'the provider was away' WHERE tenant_id = $1

-- name: account_unsynced
UPDATE catalog.billing SET dirty = dirty + 2, changed_at = now() - interval '2 minutes'
WHERE tenant_id = $1

-- name: event_waiting
INSERT INTO catalog.inbox (provider, id, type, customer_id, payload, created_at, received_at)
SELECT 'stripe', 'evt_late', 'customer.updated', 'cus_nobody', '{"of": "' || $1::uuid || '"}', now(),
    now() - interval '61 minutes'

-- name: event_kept
INSERT INTO catalog.inbox (provider, id, type, customer_id, state, payload, created_at)
SELECT 'stripe', 'evt_kept', 'customer.updated', 'cus_nobody', 'kept', '{"of": "' || $1::uuid || '"}',
    now()

-- name: account_problem
UPDATE catalog.billing SET problem = 'no list has the price price_gold' WHERE tenant_id = $1

-- name: paid_twice
UPDATE catalog.billing SET seen = '{"subscriptions": [
    {"id": "sub_1", "status": "active", "cancel_at": null},
    {"id": "sub_2", "status": "trialing", "cancel_at": null},
    {"id": "sub_3", "status": "active", "cancel_at": "2031-01-01T00:00:00Z"},
    {"id": "sub_4", "status": "canceled"}
]}' WHERE tenant_id = $1

-- name: meter_unsent
INSERT INTO catalog.meter_event
    (identifier, tenant_id, metric, hour, number, quantity, created_at, attempts, error)
VALUES ('one', $1, 'api_calls', date_trunc('hour', now()), 1, 5, now() - interval '2 hours', 4, 'away')

-- name: usage_rest
INSERT INTO catalog.usage_event (tenant_id, metric, quantity, key, at)
VALUES ($1, 'api_calls', 1, 'planted', '2001-01-01T00:00:00Z')

-- name: usage_month
DO $plant$
BEGIN
    EXECUTE format('DROP TABLE catalog.usage_event_%s', to_char(now() AT TIME ZONE 'UTC', 'YYYYMM'));
END
$plant$
