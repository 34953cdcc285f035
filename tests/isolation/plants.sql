-- Holes in the shared tables, each in a table of its own, that the matrix must find. The two sides
-- have no row number in common here, so that rules over all tenants can be made at all.

-- name: no_row_security
ALTER TABLE shared.media_type DISABLE ROW LEVEL SECURITY

-- name: everybody_reads
CREATE POLICY open_day ON shared.playlist FOR SELECT USING (true)

-- name: nothing_is_checked
ALTER POLICY only_own_rows ON shared.invoice_line WITH CHECK (true)

-- name: everybody_deletes
CREATE POLICY spring_clean ON shared.playlist_track FOR ALL
    USING (true) WITH CHECK (tenant_id = (SELECT gate.tenant()))

-- name: unique_among_all
ALTER TABLE shared.genre
    DROP CONSTRAINT genre_name_is_unique, ADD CONSTRAINT genre_name_is_unique UNIQUE (name)

-- name: known_to_all
ALTER TABLE shared.artist ADD CONSTRAINT artist_number UNIQUE (artist_id)

-- name: refers_to_all
ALTER TABLE shared.album
    DROP CONSTRAINT album_artist_id_exists,
    ADD CONSTRAINT album_artist_id_exists FOREIGN KEY (artist_id) REFERENCES shared.artist (artist_id)

-- name: key_among_all
ALTER TABLE shared.stepwell_answer ADD CONSTRAINT answer_key UNIQUE (key)

-- name: anybody_may_change
CREATE POLICY graffiti ON shared.customer FOR UPDATE USING (true) WITH CHECK (true)
