-- Exports, tenants that are to be erased, and what is kept of those that were.

-- An export is an operation of kind 'export' with what only exports have. Its file lies in the
-- archive folder under this id, until it is forgotten.
CREATE TABLE catalog.export (
    id           uuid PRIMARY KEY CONSTRAINT export_is_an_operation REFERENCES catalog.operation,
    tenant_id    uuid NOT NULL CONSTRAINT export_is_of_a_tenant REFERENCES catalog.tenant,
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    rows_total   bigint,
    rows_done    bigint NOT NULL DEFAULT 0,
    bytes_done   bigint NOT NULL DEFAULT 0,  -- before they are compressed
    cancel_requested_at timestamptz,
    -- Since the file is whole.
    made_at      timestamptz,
    taken_at     timestamptz,  -- the moment that it shows
    file_bytes   bigint,
    sha256       text,
    expires_at   timestamptz,
    forgotten_at timestamptz,
    CONSTRAINT made_export_has_a_file
        CHECK (num_nulls(made_at, taken_at, file_bytes, sha256, expires_at) IN (0, 5)),
    CONSTRAINT only_a_made_export_is_forgotten CHECK (forgotten_at IS NULL OR made_at IS NOT NULL)
);
CREATE INDEX export_by_tenant ON catalog.export (tenant_id, requested_at, id);
CREATE INDEX export_by_end ON catalog.export (expires_at)
    WHERE made_at IS NOT NULL AND forgotten_at IS NULL;

-- An operation of kind 'erase' that waits for its day; until then it may be taken back.
CREATE TABLE catalog.deletion (
    id            uuid PRIMARY KEY CONSTRAINT deletion_is_an_operation REFERENCES catalog.operation,
    tenant_id     uuid NOT NULL CONSTRAINT deletion_is_of_a_tenant REFERENCES catalog.tenant,
    requested_by  text NOT NULL,
    requested_at  timestamptz NOT NULL DEFAULT now(),
    reason        text NOT NULL,
    due_at        timestamptz NOT NULL,
    taken_back_at timestamptz,
    taken_back_by text,
    closed_at     timestamptz,  -- since when nobody enters any more, and nothing is taken back
    CONSTRAINT deletion_is_taken_back_by_somebody
        CHECK (num_nulls(taken_back_at, taken_back_by) IN (0, 2)),
    CONSTRAINT closed_tenant_is_never_taken_back CHECK (num_nulls(taken_back_at, closed_at) > 0)
);
CREATE UNIQUE INDEX tenant_is_erased_once ON catalog.deletion (tenant_id)
    WHERE taken_back_at IS NULL;

-- What was erased, on whose word, and where it was looked for afterwards. Kept for ever; it holds
-- sums of the rows and none of the rows. sha256 is that of the document itself.
CREATE TABLE catalog.certificate (
    id        uuid PRIMARY KEY CONSTRAINT certificate_is_of_a_deletion REFERENCES catalog.deletion,
    tenant_id uuid NOT NULL CONSTRAINT tenant_is_erased_for_ever UNIQUE
              CONSTRAINT certificate_is_of_a_tenant REFERENCES catalog.tenant,
    erased_at timestamptz NOT NULL,
    document  text NOT NULL,
    sha256    text NOT NULL CONSTRAINT certificate_says_what_was_signed
              CHECK (sha256 = encode(sha256(convert_to(document, 'UTF8')), 'hex'))
);
