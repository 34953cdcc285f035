-- What must hold whoever writes.

-- An entry's hash, with the one before it: what a verifier recomputes by itself, outside of here
-- (router/catalog/audit_chain.py), so that nobody can teach the database to agree.
CREATE FUNCTION catalog.chain_audit(entry catalog.audit) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
DECLARE
    head catalog.audit_head;
    linked bytea;
BEGIN
    -- By transaction, so that none ever waits for two chains, and two never for each other.
    SELECT * INTO STRICT head FROM catalog.audit_head AS h
    WHERE h.chain = (pg_current_xact_id()::text::numeric % 16)::smallint FOR NO KEY UPDATE;
    linked := sha256(head.hash || convert_to(jsonb_build_array(
        entry.id, extract(epoch FROM entry.at), entry.tenant_id, entry.actor, entry.action,
        entry.target, entry.reason, entry.detail, entry.request_id)::text, 'UTF8'));
    UPDATE catalog.audit_head AS h SET position = head.position + 1, hash = linked
    WHERE h.chain = head.chain;
    INSERT INTO catalog.audit_link (chain, position, entry_id, hash)
    VALUES (head.chain, head.position + 1, entry.id, linked);
END
$guard$;

CREATE FUNCTION catalog.audit_is_chained() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    PERFORM catalog.chain_audit(NEW);
    RETURN NULL;
END
$guard$;
-- Deferred: a chain is held from the commit alone, and not while the transaction works.
CREATE CONSTRAINT TRIGGER audit_is_chained AFTER INSERT ON catalog.audit
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION catalog.audit_is_chained();

-- What was written before there were chains: vouched for from now on.
DO $guard$
DECLARE
    entry catalog.audit;
BEGIN
    FOR entry IN SELECT * FROM catalog.audit ORDER BY id LOOP
        PERFORM catalog.chain_audit(entry);
    END LOOP;
END
$guard$;

CREATE FUNCTION catalog.trail_is_append_only() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'check_violation', CONSTRAINT = 'trail_is_append_only';
END
$guard$;
CREATE TRIGGER audit_link_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON catalog.audit_link
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.trail_is_append_only();
CREATE TRIGGER audit_seal_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON catalog.audit_seal
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.trail_is_append_only();
CREATE TRIGGER audit_head_stays BEFORE INSERT OR DELETE OR TRUNCATE ON catalog.audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.trail_is_append_only();

CREATE FUNCTION catalog.audit_head_moves_on() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    IF NEW.chain <> OLD.chain OR NEW.position <> OLD.position + 1 THEN
        RAISE EXCEPTION 'the head of chain % moves on by one entry at a time', OLD.chain
            USING ERRCODE = 'check_violation', CONSTRAINT = 'audit_head_moves_on';
    END IF;
    RETURN NEW;
END
$guard$;
CREATE TRIGGER audit_head_moves_on BEFORE UPDATE ON catalog.audit_head
    FOR EACH ROW EXECUTE FUNCTION catalog.audit_head_moves_on();

-- What was asked for, approved, begun and ended stays so, and one token is all that it ever has.
CREATE FUNCTION catalog.access_keeps_what_was_asked() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    IF (OLD.id, OLD.tenant_id, OLD.mode, OLD.reason, OLD.ticket, OLD.minutes, OLD.requested_by,
            OLD.requested_at) IS DISTINCT FROM (NEW.id, NEW.tenant_id, NEW.mode, NEW.reason,
            NEW.ticket, NEW.minutes, NEW.requested_by, NEW.requested_at)
        OR (OLD.approved_at IS NOT NULL AND (OLD.approved_by, OLD.approved_at) IS DISTINCT FROM
            (NEW.approved_by, NEW.approved_at))
        OR (OLD.begun_at IS NOT NULL AND (OLD.begun_at, OLD.ends_at, OLD.token_hash)
            IS DISTINCT FROM (NEW.begun_at, NEW.ends_at, NEW.token_hash))
        OR NEW.requests < OLD.requests
        OR (OLD.ended_at IS NOT NULL AND OLD IS DISTINCT FROM NEW)
    THEN
        RAISE EXCEPTION 'access % of % can''t be changed so', OLD.id, OLD.requested_by
            USING ERRCODE = 'check_violation', CONSTRAINT = 'access_keeps_what_was_asked';
    END IF;
    RETURN NEW;
END
$guard$;
CREATE TRIGGER access_keeps_what_was_asked BEFORE UPDATE ON catalog.access
    FOR EACH ROW EXECUTE FUNCTION catalog.access_keeps_what_was_asked();
CREATE TRIGGER access_is_never_deleted BEFORE DELETE OR TRUNCATE ON catalog.access
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.trail_is_append_only();

-- A line is completed once.
CREATE FUNCTION catalog.access_line_is_kept() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $guard$
BEGIN
    IF OLD.status IS NOT NULL OR (OLD.access_id, OLD.position, OLD.at, OLD.request_id, OLD.method,
            OLD.path) IS DISTINCT FROM (NEW.access_id, NEW.position, NEW.at, NEW.request_id,
            NEW.method, NEW.path) THEN
        RAISE EXCEPTION 'line % of access % is written', OLD.position, OLD.access_id
            USING ERRCODE = 'check_violation', CONSTRAINT = 'access_line_is_kept';
    END IF;
    RETURN NEW;
END
$guard$;
CREATE TRIGGER access_line_is_kept BEFORE UPDATE ON catalog.access_line
    FOR EACH ROW EXECUTE FUNCTION catalog.access_line_is_kept();
CREATE TRIGGER access_line_is_never_deleted BEFORE DELETE OR TRUNCATE ON catalog.access_line
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.trail_is_append_only();
CREATE TRIGGER access_statement_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE
    ON catalog.access_statement
    FOR EACH STATEMENT EXECUTE FUNCTION catalog.trail_is_append_only();
