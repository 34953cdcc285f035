-- What a mover says to the gates at both ends. The functions around it are in homes.py.

-- name: enlist
INSERT INTO gate.move (move_id, tenant_id, token) VALUES ($1, $2, $3)
ON CONFLICT (move_id) DO NOTHING

-- name: token
SELECT token FROM gate.move WHERE move_id = $1

-- name: take_over
UPDATE gate.move SET token = $2 WHERE move_id = $1 AND token <= $2 RETURNING token

-- name: end_predecessors
SELECT count(pg_terminate_backend(a.pid)) FROM pg_stat_activity AS a
WHERE a.application_name = $1 AND a.datname = current_database() AND a.pid <> ALL($2::integer[])

-- name: end_others
SELECT count(pg_terminate_backend(a.pid)) FROM gate.move AS m
JOIN pg_stat_activity AS a ON a.application_name = $3 || m.move_id::text
WHERE m.tenant_id = $1 AND m.move_id <> $2 AND a.datname = current_database()

-- name: oust_others
-- The greatest token: no operation is ever claimed so often.
UPDATE gate.move SET token = 9223372036854775807
WHERE tenant_id = $1 AND move_id <> $2 AND token < 9223372036854775807

-- name: withdraw
DELETE FROM gate.move WHERE move_id = $1 AND token = $2 AND data = '{}'

-- name: find
SELECT state, epoch, capture FROM gate.home WHERE tenant_id = $1

-- name: receive
INSERT INTO gate.home (tenant_id, state, epoch, schema_name, login, place)
VALUES ($1, 'receiving', $2, $3, $4, $5::text::jsonb)
ON CONFLICT (tenant_id) DO UPDATE SET state = 'receiving', epoch = excluded.epoch,
    schema_name = excluded.schema_name, login = excluded.login, place = excluded.place,
    capture = false, delay_ms = 0
WHERE gate.home.state <> 'active' OR gate.home.epoch = excluded.epoch
RETURNING tenant_id

-- name: open
INSERT INTO gate.home (tenant_id, state, epoch, schema_name, login, place, capture)
VALUES ($1, 'active', $2, $3, $4, $5::text::jsonb, $6)
ON CONFLICT (tenant_id) DO UPDATE SET state = 'active', epoch = excluded.epoch,
    schema_name = excluded.schema_name, login = excluded.login, place = excluded.place,
    capture = excluded.capture, delay_ms = 0
WHERE gate.home.epoch <= excluded.epoch
RETURNING tenant_id

-- name: own
UPDATE gate.home SET place = $3::text::jsonb WHERE tenant_id = $1 AND epoch = $2 AND place <> $3::text::jsonb

-- name: leave
UPDATE gate.home SET state = 'moved', epoch = $3, place = $4::text::jsonb, capture = false,
    delay_ms = 0
WHERE tenant_id = $1 AND state = 'active' AND epoch = $2 RETURNING tenant_id

-- name: turn
UPDATE gate.home SET epoch = $3, schema_name = $4, login = $5, place = $6::text::jsonb,
    capture = $7, delay_ms = 0
WHERE tenant_id = $1 AND state = 'active' AND epoch = $2 RETURNING tenant_id

-- name: sleep
UPDATE gate.home SET capture = false, delay_ms = 0 WHERE tenant_id = $1

-- name: forget_changes
DELETE FROM gate.change WHERE tenant_id = $1

-- name: delay
UPDATE gate.home SET delay_ms = $2 WHERE tenant_id = $1

-- name: revision
SELECT revision FROM gate.revision WHERE schema_name = $1

-- name: forget_never_home
DELETE FROM gate.home WHERE tenant_id = $1 AND epoch = $2

-- name: dismiss
DELETE FROM gate.move WHERE move_id = $1 AND token = $2

-- name: dismiss_all
DELETE FROM gate.move WHERE tenant_id = $1
