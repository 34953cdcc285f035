-- The shipped price list (editable), and the first key of the gates.

INSERT INTO catalog.plan (name, tier, current_version)
VALUES ('starter', 'rows', 1), ('pro', 'schema', 1), ('enterprise', 'database', 1);

INSERT INTO catalog.plan_version (plan, version, limits)
VALUES
    ('starter', 1, '{"api_calls_per_month": 5000, "seats": 5, "storage_bytes": 1000000000, "statement_timeout_ms": 5000}'),
    ('pro', 1, '{"api_calls_per_month": 100000, "seats": 50, "storage_bytes": 50000000000, "statement_timeout_ms": 15000}'),
    ('enterprise', 1, '{"api_calls_per_month": null, "seats": null, "storage_bytes": null, "statement_timeout_ms": 60000}');

INSERT INTO catalog.gate_key (id, state) VALUES (1, 'current');
