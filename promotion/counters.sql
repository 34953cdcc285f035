-- name: raise_counter
INSERT INTO gate.counter AS c (tenant_id, table_name, value) VALUES ({tenant}, {table}, {value})
ON CONFLICT (tenant_id, table_name) DO UPDATE SET value = greatest(c.value, excluded.value)

-- name: raise_sequences
-- Ids of shared tables are given in blocks, whose end may be beyond what the column's type holds.
SELECT setval(s.seqrelid::regclass, least({value}, s.seqmax))
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attidentity <> ''
JOIN pg_catalog.pg_sequence AS s ON s.seqrelid = pg_get_serial_sequence(
    quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname)::regclass
WHERE n.nspname = {schema} AND c.relname = {table} AND {value} >= s.seqmin
    AND (least({value}, s.seqmax) > pg_sequence_last_value(s.seqrelid)) IS NOT FALSE
