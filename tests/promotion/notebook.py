"""A product with triggers of its own: they stamp, count and write down what its customers do."""

from __future__ import annotations

from sqlalchemy import Column, DateTime, ForeignKey, Identity, Integer, MetaData, Table, Text

metadata = MetaData()

note = Table(
    "note",
    metadata,
    Column("note_id", Integer, Identity(), primary_key=True),
    Column("body", Text, nullable=False),
    Column("touched_at", DateTime(timezone=True)),
)
journal = Table(
    "journal",
    metadata,
    Column("journal_id", Integer, Identity(), primary_key=True),
    Column("note_id", Integer, ForeignKey("note.note_id", ondelete="SET NULL")),
    Column("deed", Text, nullable=False),
)

#: What a hand-written revision adds: a value that no second run repeats, rows in another table,
#: a condition, a statement's trigger, one that is checked at the end; and a view.
TRIGGERS = """
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    NEW.touched_at := clock_timestamp();
    RETURN NEW;
END$$;
CREATE FUNCTION write_down() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO journal (note_id, deed)
    VALUES (CASE WHEN TG_OP = 'DELETE' THEN NULL ELSE NEW.note_id END, TG_OP);
    RETURN NULL;
END$$;
CREATE FUNCTION write_down_once() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
    INSERT INTO journal (deed) VALUES (TG_ARGV[0]);
    RETURN NULL;
END$$;
CREATE TRIGGER touch BEFORE INSERT OR UPDATE ON note FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER "write 'it' down" AFTER INSERT OR UPDATE ON note FOR EACH ROW
    WHEN (NEW.body <> 'secret' OR NEW.body = ' EXECUTE FUNCTION ')
    EXECUTE FUNCTION write_down();
CREATE TRIGGER write_end_down AFTER DELETE ON note FOR EACH ROW EXECUTE FUNCTION write_down();
CREATE TRIGGER once AFTER INSERT ON note FOR EACH STATEMENT
    EXECUTE FUNCTION write_down_once(' EXECUTE FUNCTION f() WHEN (x)');
CREATE CONSTRAINT TRIGGER at_the_end AFTER INSERT ON note DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION write_down_once('end');
CREATE VIEW deed_of_note WITH (security_invoker = on) AS SELECT note_id, deed FROM journal;
"""
