-- name: list
SELECT id, state FROM catalog.gate_key ORDER BY state = 'current' DESC, id DESC

-- name: install
INSERT INTO catalog.gate_key (id, state)
SELECT max(id) + 1, 'installing' FROM catalog.gate_key
ON CONFLICT (state) WHERE state = 'installing' DO NOTHING
RETURNING id

-- name: installing
SELECT id FROM catalog.gate_key WHERE state = 'installing'

-- name: step_down
UPDATE catalog.gate_key SET state = 'retiring'
WHERE state = 'current' AND EXISTS (SELECT FROM catalog.gate_key WHERE id = $1 AND state = 'installing')

-- name: take_over
UPDATE catalog.gate_key SET state = 'current' WHERE id = $1 AND state = 'installing' RETURNING id

-- name: retire
DELETE FROM catalog.gate_key WHERE id = $1 AND state = 'retiring' RETURNING id
