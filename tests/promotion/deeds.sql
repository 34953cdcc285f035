-- What a random transaction does: {braces} are drawn anew for each statement.

-- name: put_label
INSERT INTO label (code, rank) VALUES ({code}, {some_number})

-- name: put_node
INSERT INTO node (parent_id, name) VALUES ({some_number}, {text})

-- name: set_node
INSERT INTO node (node_id, parent_id, name) OVERRIDING SYSTEM VALUE
VALUES ({number}, {some_number}, {text})
ON CONFLICT (tenant_id, node_id) DO UPDATE SET parent_id = excluded.parent_id

-- name: put_team
INSERT INTO team (team_id, name, leader_id) OVERRIDING SYSTEM VALUE
VALUES ({number}, {some_text}, {some_number})

-- name: put_member
INSERT INTO member (member_id, team_id, code, email, is_captain) OVERRIDING SYSTEM VALUE
VALUES ({number}, {some_number}, {some_code}, {text}, {bit})

-- name: put_task
INSERT INTO task (list, place, member_id, title) VALUES ({list}, {place}, {some_number}, {some_text})

-- name: put_remark
INSERT INTO remark (list, place, body) VALUES ({list}, {place}, {some_text})

-- name: put_tagging
INSERT INTO tagging (member_id, code) VALUES ({number}, {code})

-- name: put_left
INSERT INTO left_hand (left_id, right_id) VALUES ({number}, {some_number})

-- name: put_right
INSERT INTO right_hand (right_id, left_id) VALUES ({number}, {some_number})

-- name: turn_left
UPDATE left_hand SET right_id = {some_number} WHERE left_id = {number}

-- name: turn_right
UPDATE right_hand SET left_id = {some_number} WHERE right_id = {number}

-- name: end_left
DELETE FROM left_hand WHERE left_id = {number}

-- name: end_right
DELETE FROM right_hand WHERE right_id = {number}

-- name: end_label
DELETE FROM label WHERE code = {code}

-- name: end_node
DELETE FROM node WHERE node_id = {number}

-- name: end_team
DELETE FROM team WHERE team_id = {number}

-- name: end_member
DELETE FROM member WHERE member_id = {number}

-- name: end_task
DELETE FROM task WHERE place = {place}

-- name: end_tagging
DELETE FROM tagging WHERE member_id = {number}

-- name: recode
UPDATE label SET code = {code} WHERE code = {other_code}

-- name: swap_ranks
UPDATE label SET rank = {number} + {other_number} - rank WHERE rank IN ({number}, {other_number})

-- name: graft
UPDATE node SET parent_id = {some_number} WHERE node_id = {number}

-- name: name_node
UPDATE node SET name = {text} WHERE node_id = {number}

-- name: name_team
UPDATE team SET name = {text} WHERE team_id = {number}

-- name: lead
UPDATE team SET leader_id = {some_number}

-- name: join_team
UPDATE member SET team_id = {number} WHERE member_id = {other_number}

-- name: mail
UPDATE member SET email = {text} WHERE member_id = {number}

-- name: hand_over
UPDATE member SET is_captain = 1 - is_captain WHERE member_id = {number}

-- name: recode_member
UPDATE member SET code = {code} WHERE member_id = {number}

-- name: move_task
UPDATE task SET place = {place} WHERE place = {other_place}

-- name: entitle
UPDATE task SET title = {text} WHERE place = {place}

-- name: assign
UPDATE task SET member_id = {number} WHERE member_id = {other_number}

-- name: retag
UPDATE tagging SET code = {code} WHERE member_id = {number}
