-- What tenants of the first release had written, statement by statement, through their gate.

-- name: genre
INSERT INTO genre (name) VALUES ('Rock'), ('Opéra')

-- name: media_type
INSERT INTO media_type (name) VALUES ('MPEG audio file')

-- name: artist
INSERT INTO artist (name) VALUES ('AC/DC'), ('Ólafur Arnalds'), ('')

-- name: album
INSERT INTO album (title, artist_id)
SELECT 'Let There Be Rock', artist_id FROM artist WHERE name = 'AC/DC'

-- name: track
INSERT INTO track (name, album_id, media_type_id, genre_id, composer, milliseconds, bytes, unit_price)
SELECT 'Go Down', a.album_id, m.media_type_id, g.genre_id, NULL, 331180, 10847611, 0.99
FROM album AS a, media_type AS m, genre AS g WHERE g.name = 'Rock'

-- name: answer
INSERT INTO stepwell_answer (key, fingerprint, status, headers, body)
VALUES ('an old key', '\x00', 201, '[]', '\x7b7d')
