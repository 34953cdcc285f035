-- People. Staff are accounts that may enter the operators' console; everybody else has no staff_role.

ALTER TABLE catalog.account
    ADD COLUMN email_verified_at timestamptz,
    -- Two people may have signed up with this address: when one proves it, the password ends.
    ADD COLUMN is_disputed boolean NOT NULL DEFAULT false,
    ADD COLUMN staff_role text CONSTRAINT staff_role_is_known
        CHECK (staff_role IN ('observer', 'sales', 'operator'));

ALTER TABLE catalog.session
    ADD COLUMN id uuid NOT NULL DEFAULT gen_random_uuid() CONSTRAINT session_id_is_unique UNIQUE,
    -- When the person last showed a password, a passkey or what was mailed.
    ADD COLUMN proved_at timestamptz NOT NULL DEFAULT now(),
    -- Opened by the word of one tenant's own identity provider: it is good in that tenant alone.
    ADD COLUMN only_tenant_id uuid CONSTRAINT session_is_confined_to_a_tenant REFERENCES catalog.tenant,
    ADD COLUMN agent text NOT NULL DEFAULT '',
    ADD COLUMN source text NOT NULL DEFAULT '';

-- What the invited address gets by mail, and whoever invited doesn't see: it proves the address.
ALTER TABLE catalog.invitation
    ADD COLUMN mailed_token_hash bytea CONSTRAINT mailed_invitation_token_is_unique UNIQUE;

-- A mailed proof that somebody reads an address. One of each purpose: a later one ends the earlier.
CREATE TABLE catalog.proof (
    account_id uuid NOT NULL CONSTRAINT proof_is_of_an_account REFERENCES catalog.account,
    purpose    text NOT NULL CONSTRAINT proof_purpose_is_known
               CHECK (purpose IN ('verify', 'reset', 'email')),
    email      text NOT NULL,
    token_hash bytea NOT NULL CONSTRAINT proof_token_is_unique UNIQUE
               CONSTRAINT proof_hash_is_sha256 CHECK (length(token_hash) = 32),
    code_hash  bytea NOT NULL,  -- keyed: six digits are found in any plain hash
    tries_left integer NOT NULL CONSTRAINT proof_tries_end CHECK (tries_left >= 0),
    made_at    timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    PRIMARY KEY (account_id, purpose)
);
CREATE INDEX proof_by_expiry ON catalog.proof (expires_at);

-- How often something was tried within a window, by an address or a person (both as keyed hashes).
CREATE TABLE catalog.attempt (
    kind    text NOT NULL,
    subject bytea NOT NULL,
    count   integer NOT NULL,
    ends_at timestamptz NOT NULL,
    PRIMARY KEY (kind, subject)
);
CREATE INDEX attempt_by_end ON catalog.attempt (ends_at);

CREATE TABLE catalog.passkey (
    id            uuid PRIMARY KEY,
    account_id    uuid NOT NULL CONSTRAINT passkey_is_of_an_account REFERENCES catalog.account,
    credential_id bytea NOT NULL CONSTRAINT passkey_is_registered_once UNIQUE,
    public_key    bytea NOT NULL,
    sign_count    bigint NOT NULL,
    name          text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_used_at  timestamptz
);
CREATE INDEX passkey_by_account ON catalog.passkey (account_id);

-- What an authenticator is to sign: known by its hash, used once.
CREATE TABLE catalog.challenge (
    hash       bytea PRIMARY KEY CONSTRAINT challenge_hash_is_sha256 CHECK (length(hash) = 32),
    account_id uuid CONSTRAINT challenge_is_for_an_account REFERENCES catalog.account,  -- null: a log-in
    expires_at timestamptz NOT NULL
);
CREATE INDEX challenge_by_expiry ON catalog.challenge (expires_at);

-- A tenant's own identity provider.
CREATE TABLE catalog.single_sign_on (
    tenant_id     uuid PRIMARY KEY CONSTRAINT sign_on_is_of_a_tenant REFERENCES catalog.tenant,
    issuer        text NOT NULL,
    client_id     text NOT NULL,
    secret_sealed bytea NOT NULL,
    is_required   boolean NOT NULL,
    changed_at    timestamptz NOT NULL DEFAULT now()
);

-- Whose addresses lead to which tenant's provider; a tenant shows first that it has the domain.
CREATE TABLE catalog.sign_on_domain (
    domain    text PRIMARY KEY CONSTRAINT sign_on_domain_is_lower_case CHECK (domain = lower(domain)),
    tenant_id uuid NOT NULL CONSTRAINT domain_leads_to_a_sign_on
              REFERENCES catalog.single_sign_on ON DELETE CASCADE
);
CREATE INDEX sign_on_domain_by_tenant ON catalog.sign_on_domain (tenant_id);

-- Whether a member has to come by the tenant's own provider. Owners needn't: somebody must be able
-- to enter when the provider is away.
CREATE FUNCTION catalog.needs_sign_on(m catalog.membership, email text) RETURNS boolean
LANGUAGE sql STABLE
RETURN m.role <> 'owner' AND EXISTS (
    SELECT FROM catalog.single_sign_on AS s
    JOIN catalog.sign_on_domain AS d ON d.tenant_id = s.tenant_id
    WHERE s.tenant_id = m.tenant_id AND s.is_required
        AND d.domain = lower(split_part(needs_sign_on.email, '@', 2)));

-- Who a provider's subject is to us: an address that gets another owner there stays whose it was.
CREATE TABLE catalog.sign_on_subject (
    tenant_id  uuid NOT NULL CONSTRAINT subject_is_in_a_tenant REFERENCES catalog.tenant,
    issuer     text NOT NULL,
    subject    text NOT NULL,
    account_id uuid NOT NULL CONSTRAINT subject_is_an_account REFERENCES catalog.account,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, issuer, subject),
    CONSTRAINT account_is_one_subject UNIQUE (tenant_id, issuer, account_id)
);

-- A sign-on that is under way; the browser that began it holds the other half.
CREATE TABLE catalog.sign_on_round (
    state_hash   bytea PRIMARY KEY,
    browser_hash bytea NOT NULL,
    tenant_id    uuid NOT NULL CONSTRAINT round_is_of_a_sign_on
                 REFERENCES catalog.single_sign_on ON DELETE CASCADE,
    issuer       text NOT NULL,
    kept_sealed  bytea NOT NULL,  -- nonce and verifier
    expires_at   timestamptz NOT NULL
);
CREATE INDEX sign_on_round_by_expiry ON catalog.sign_on_round (expires_at);

-- Mail to be sent. What a letter says may open an account, so it is sealed, and gone once it was sent.
CREATE TABLE catalog.letter (
    id            uuid PRIMARY KEY,
    kind          text NOT NULL,
    recipient     text NOT NULL,
    tenant_id     uuid CONSTRAINT letter_is_about_a_tenant REFERENCES catalog.tenant,
    values_sealed bytea,
    made_at       timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz NOT NULL,  -- after which nobody needs it any more
    not_before    timestamptz NOT NULL DEFAULT now(),
    attempts      integer NOT NULL DEFAULT 0,
    error         text,
    sent_at       timestamptz,
    given_up_at   timestamptz,
    CONSTRAINT ended_letter_says_nothing
        CHECK ((values_sealed IS NULL) = (sent_at IS NOT NULL OR given_up_at IS NOT NULL))
);
CREATE INDEX letter_to_send ON catalog.letter (not_before) WHERE sent_at IS NULL AND given_up_at IS NULL;
CREATE INDEX letter_by_age ON catalog.letter (made_at);
