-- Many rows of the shop, written by the administrator into one place; how many is its one measure.
-- Nothing is checked on the way: the rows agree with each other by the way they are made.

-- name: unchecked
SET session_replication_role = replica

-- name: checked
RESET session_replication_role

-- name: genre
INSERT INTO genre (tenant_id, genre_id, name)
SELECT $1, n, 'Genre ' || n FROM generate_series(1, least($2::integer, 25)) AS n

-- name: media_type
INSERT INTO media_type (tenant_id, media_type_id, name)
SELECT $1, n, 'Media type ' || n FROM generate_series(1, least($2::integer, 5)) AS n

-- name: artist
INSERT INTO artist (tenant_id, artist_id, name)
SELECT $1, n, 'Artist ' || n FROM generate_series(1, $2::integer / 20) AS n

-- name: album
INSERT INTO album (tenant_id, album_id, title, artist_id)
SELECT $1, n, 'An album of some length, number ' || n, 1 + n % ($2::integer / 20)
FROM generate_series(1, $2::integer / 10) AS n

-- name: track
INSERT INTO track (tenant_id, track_id, name, album_id, media_type_id, genre_id, composer,
    milliseconds, bytes, unit_price)
SELECT $1, n, 'A track that has a name, number ' || n, 1 + n % ($2::integer / 10), 1 + n % 5,
    CASE WHEN n % 10 > 0 THEN 1 + n % 25 END,
    CASE WHEN n % 3 > 0 THEN 'Somebody Who Composes, number ' || n % 997 END,
    200000 + n, CASE WHEN n % 7 > 0 THEN 5000000 + n END, 0.99
FROM generate_series(1, $2::integer * 2 / 5) AS n

-- name: employee
INSERT INTO employee (tenant_id, employee_id, last_name, first_name, reports_to)
SELECT $1, n, 'Last ' || n, 'First ' || n, nullif(n / 2, 0)
FROM generate_series(1, least($2::integer, 20)) AS n

-- name: customer
INSERT INTO customer (tenant_id, customer_id, first_name, last_name, email, city, support_rep_id)
SELECT $1, n, 'First ' || n, 'Last ' || n, n || '@shop.example', 'Städtchen', 1 + n % 20
FROM generate_series(1, $2::integer / 50) AS n

-- name: invoice
INSERT INTO invoice (tenant_id, invoice_id, customer_id, invoice_date, billing_city, total)
SELECT $1, n, 1 + n % ($2::integer / 50), timestamp '2026-01-01' + n * interval '1 second',
    'Städtchen', 1.98
FROM generate_series(1, $2::integer / 10) AS n

-- name: invoice_line
INSERT INTO invoice_line (tenant_id, invoice_line_id, invoice_id, track_id, unit_price, quantity)
SELECT $1, n, 1 + n % ($2::integer / 10), 1 + n % ($2::integer * 2 / 5), 0.99, 1
FROM generate_series(1, $2::integer / 5) AS n

-- name: playlist
INSERT INTO playlist (tenant_id, playlist_id, name)
SELECT $1, n, 'Playlist ' || n FROM generate_series(1, least($2::integer, 50)) AS n

-- name: playlist_track
INSERT INTO playlist_track (tenant_id, playlist_id, track_id)
SELECT $1, 1 + n % 50, n FROM generate_series(1, $2::integer / 8) AS n

-- name: counter
INSERT INTO gate.counter (tenant_id, table_name, value) VALUES ($1, $2, $3)
ON CONFLICT (tenant_id, table_name) DO UPDATE SET value = excluded.value

-- name: sequence
SELECT setval(pg_get_serial_sequence($1, $2), $3)
