-- Rows for the tables of odd.py.

-- name: words
INSERT INTO word (word, moods, document, blob)
SELECT chr(33 + n % 90) || E'\\''"' || n || repeat('ü', n % 3),
    CASE n % 3 WHEN 0 THEN ARRAY['GOOD', NULL, 'BAD']::mood[] WHEN 1 THEN '{}' END,
    CASE n % 2 WHEN 0 THEN jsonb_build_object('n', n, 'none', NULL, 'text', '') END,
    CASE n % 5 WHEN 0 THEN ''::bytea WHEN 1 THEN sha256(n::text::bytea) END
FROM generate_series(1, $1::integer) AS n

-- name: readings
INSERT INTO reading (sensor, "At ""it""", share, value)
SELECT 's''' || n % 7, timestamptz '2026-01-01 00:00:00.000001+00' + n / 3 * interval '1 second',
    n % 3 / 3.0, CASE n % 4 WHEN 0 THEN 'NaN' WHEN 1 THEN '-Infinity' WHEN 2 THEN n / 7.0::float8 END
FROM generate_series(1, $1::integer) AS n

-- name: nodes
INSERT INTO node (node_id, label, position, parent_id)
OVERRIDING SYSTEM VALUE
SELECT n, 'label ' || n, n, CASE WHEN n > 1 THEN n / 2 END
FROM generate_series(1, $1::integer) AS n

-- name: parts
INSERT INTO part (part_id, node_id)
OVERRIDING SYSTEM VALUE
SELECT n, n FROM generate_series(1, $1::integer) AS n

-- name: heads
UPDATE node SET head_id = node_id WHERE node_id % 5 = 0 AND $1::integer > 0

-- name: pointers
INSERT INTO pointer (pointer_id, relation)
SELECT n, CASE n % 2 WHEN 0 THEN 'pg_class' ELSE 'gate.home' END::regclass
FROM generate_series(1, least($1::integer, 10)) AS n
