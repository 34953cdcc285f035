-- The doctor's last look at everything.

-- name: begin
-- One worker begins it when it is due or wanted; one that died in the middle is followed when it is
-- due again.
INSERT INTO catalog.checkup AS c DEFAULT VALUES
ON CONFLICT (is_last) DO UPDATE SET began_at = now(), is_wanted = false
WHERE c.is_wanted OR c.began_at < now() - $1::interval
RETURNING began_at

-- name: end
UPDATE catalog.checkup SET ended_at = now(), rules = $1, findings = $2::text::jsonb

-- name: want
INSERT INTO catalog.checkup AS c (is_wanted, began_at) VALUES (true, '-infinity')
ON CONFLICT (is_last) DO UPDATE SET is_wanted = true

-- name: last
SELECT began_at, is_wanted, ended_at, rules, findings FROM catalog.checkup WHERE ended_at IS NOT NULL
