-- What happens to the rows of a tenant between two rounds: statements of one transaction each.

-- name: first
-- Two teams with captains, a tree, labels, tasks with remarks, hands that hold each other.
INSERT INTO label (code, rank) VALUES ('none', 0), ('a', 1), ('b', 2);
INSERT INTO node (node_id, parent_id, name) OVERRIDING SYSTEM VALUE
VALUES (1, NULL, 'root'), (2, 1, 'twig'), (3, 2, 'leaf'), (4, 1, 'bough');
INSERT INTO team (team_id, name) OVERRIDING SYSTEM VALUE
VALUES (1, 'red'), (2, 'blue');
INSERT INTO member (member_id, team_id, code, email, is_captain) OVERRIDING SYSTEM VALUE
VALUES (1, 1, 'a', 'One@x', 1), (2, 1, 'a', 'two@x', 0), (3, 2, 'b', 'three@x', 1);
UPDATE team SET leader_id = 1 WHERE team_id = 1;
INSERT INTO task (list, place, member_id, code, title) VALUES ('l', 1.0, 1, 'a', 'first'), ('l', 2, 2, 'b', 'second');
INSERT INTO remark (list, place, body) VALUES ('l', 1, NULL), ('l', 2, '');
INSERT INTO tagging VALUES (DEFAULT, 1, 'a'), (DEFAULT, 2, 'b');
INSERT INTO left_hand (left_id) VALUES (1), (2);
INSERT INTO right_hand (right_id, left_id) VALUES (1, 2), (2, 1);
UPDATE left_hand SET right_id = left_id

-- name: a_captain_hands_over
UPDATE member SET is_captain = 0 WHERE member_id = 1;
UPDATE member SET is_captain = 1 WHERE member_id = 2

-- name: two_mails_are_swapped
UPDATE member SET email = 'x' WHERE member_id = 1;
UPDATE member SET email = 'ONE@x' WHERE member_id = 2;
UPDATE member SET email = 'Two@x' WHERE member_id = 1

-- name: titles_go_round
UPDATE task SET title = 'x' WHERE place = 1;
UPDATE task SET title = 'first' WHERE place = 2;
UPDATE task SET title = 'second' WHERE place = 1

-- name: ranks_are_swapped_at_once
UPDATE label SET rank = 3 - rank WHERE rank > 0

-- name: a_team_is_founded_anew_under_its_name
INSERT INTO team (team_id, name) OVERRIDING SYSTEM VALUE
VALUES (9, NULL);
UPDATE member SET team_id = 9 WHERE team_id = 1;
DELETE FROM team WHERE team_id = 1;
UPDATE team SET name = 'red' WHERE team_id = 9

-- name: a_name_is_taken_over
DELETE FROM node WHERE node_id = 3;
UPDATE node SET name = 'leaf' WHERE node_id = 1

-- name: a_branch_is_grafted_and_its_old_bough_cut
UPDATE node SET parent_id = 4 WHERE node_id = 2;
INSERT INTO node (node_id, name) OVERRIDING SYSTEM VALUE
VALUES (8, 'stem');
UPDATE node SET parent_id = 8 WHERE node_id = 4;
DELETE FROM node WHERE node_id = 1

-- name: a_tree_is_turned_over
UPDATE node SET parent_id = NULL WHERE node_id = 2;
UPDATE node SET parent_id = 3 WHERE node_id = 1

-- name: a_root_falls_with_all_that_grows_on_it
DELETE FROM node WHERE node_id = 1

-- name: a_member_leaves_and_all_its_tasks
UPDATE team SET leader_id = NULL;
DELETE FROM member WHERE member_id = 1

-- name: a_team_ends_its_members_stay
DELETE FROM team WHERE team_id = 2

-- name: a_leader_is_made_anew_with_the_same_key
SET CONSTRAINTS ALL DEFERRED;
DELETE FROM member WHERE member_id = 1;
INSERT INTO member (member_id, email) OVERRIDING SYSTEM VALUE
VALUES (1, 'new@x')

-- name: a_label_gets_another_code
UPDATE label SET code = 'z' WHERE code = 'a'

-- name: two_labels_swap_codes
UPDATE label SET code = 'x' WHERE code = 'a';
UPDATE label SET code = 'a' WHERE code = 'b';
UPDATE label SET code = 'b' WHERE code = 'x'

-- name: a_task_moves_and_its_remarks_with_it
UPDATE task SET place = 7 WHERE place = 1

-- name: two_tasks_change_places
UPDATE task SET place = 9 WHERE place = 1;
UPDATE task SET place = 1 WHERE place = 2;
UPDATE task SET place = 2 WHERE place = 9

-- name: a_key_is_only_spelled_otherwise
UPDATE task SET place = 1.000 WHERE place = 1

-- name: a_label_ends_and_its_tasks_fall_back
UPDATE member SET code = NULL WHERE code = 'b';
DELETE FROM label WHERE code = 'b'

-- name: hands_let_go_of_each_other
UPDATE left_hand SET right_id = NULL;
DELETE FROM right_hand;
DELETE FROM left_hand

-- name: hands_change_partners
UPDATE left_hand SET right_id = NULL WHERE left_id = 1;
UPDATE right_hand SET left_id = 1;
DELETE FROM right_hand WHERE right_id = 1;
UPDATE left_hand SET right_id = 2;
INSERT INTO left_hand VALUES (DEFAULT, 3, 2)

-- name: everything_ends_and_begins_again
UPDATE team SET leader_id = NULL;
UPDATE left_hand SET right_id = NULL;
DELETE FROM right_hand;
DELETE FROM left_hand;
DELETE FROM node;
DELETE FROM member;
DELETE FROM team;
DELETE FROM label

-- name: put_thing
INSERT INTO thing (at, kind, amount, share, ratio, moment, spent, blob, words, document, host, hours,
    tone, padded)
VALUES ($1::text::timestamptz, $2::text::mood, $3::text::numeric, $4::text::numeric,
    $5::text::float8, $6::text::timestamp, $7::text::interval, $8::text::bytea, $9::text::text[],
    $10::text::jsonb, $11::text::inet, $12::text::int4range, $13::text::tone, $14::text)
ON CONFLICT (tenant_id, at, kind) DO UPDATE SET amount = excluded.amount
