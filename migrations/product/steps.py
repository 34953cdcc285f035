"""What a revision is made of, as a runner sees it: steps, each committed before the next begins.

Most revisions are one step. ``migrations.safe`` writes those that must be several, and tells the
renderer by lines of comment, so that the rendered SQL can be read, and run by hand, as it stands.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from router.errors import ProductRefused
from router.product.revision_sql import statements

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: A line of rendered SQL that says how what follows is run.
_MARK = re.compile(r"^-- stepwell: (alone|transaction|backfill) ?(.*)$", re.MULTILINE)
_INDEX = re.compile(
    r"^\s*(create\s+(?:unique\s+)?index)\s+concurrently\s+(?:if\s+not\s+exists\s+)?"
    r'("(?:[^"]|"")+"|\w+)',
    re.IGNORECASE,
)
_INDEX_DROPPED = re.compile(
    r"^\s*(drop\s+index)\s+concurrently\s+(?:if\s+exists\s+)?", re.IGNORECASE
)
#: An index that is being built is invalid until the end, and for good when that never comes.
_CLEAR_INDEX = """DO $stepwell$
BEGIN
    IF EXISTS (
        SELECT FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
        WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = {literal}
            AND NOT i.indisvalid
    ) THEN
        DROP INDEX {name};
    END IF;
END
$stepwell$"""


class Transactional(msgspec.Struct, frozen=True, kw_only=True, tag="transactional"):
    """Statements that are one transaction, together with the note that they ran."""

    sql: str

    @property
    def for_empty(self) -> str:
        """What an empty schema gets instead, inside of one transaction with everything else."""
        return self.sql


class Alone(msgspec.Struct, frozen=True, kw_only=True, tag="alone"):
    """One statement that PostgreSQL runs outside of transactions only; it may be run again.

    ``clear_sql`` takes away what a broken attempt left: it is run, as a transaction of its own,
    before each attempt. It is empty where nothing can be left.
    """

    sql: str
    clear_sql: str

    @property
    def for_empty(self) -> str:
        """What an empty schema gets instead: nobody is there whom a lock would hold up."""
        return _INDEX_DROPPED.sub(r"\1 IF EXISTS ", _INDEX.sub(r"\1 \2", self.sql)) + ";\n"


class Backfill(msgspec.Struct, frozen=True, kw_only=True, tag="backfill"):
    """An UPDATE in batches, tenant by tenant: ``SET {assignments} WHERE {where}``.

    ``where`` must not hold for a row that is filled already.
    """

    table: str
    assignments: str
    where: str
    batch_rows_max: int

    @property
    def update(self) -> str:
        """What it does, were it done at once."""
        return f"UPDATE {self.table} SET {self.assignments} WHERE {self.where}"  # noqa: S608 - the revision's own words

    @property
    def for_empty(self) -> str:
        """What an empty schema gets instead: it has no rows."""
        return ""


Step: TypeAlias = Transactional | Alone | Backfill


def mark(kind: str, detail: str = "") -> str:
    """Spell the line that says how what follows is run."""
    return f"-- stepwell: {kind} {detail}".rstrip()


def mark_backfill(step: Backfill) -> str:
    """Spell a backfill as one line."""
    return mark("backfill", msgspec.json.encode(step).decode())


def part(sql: str, *, where: str) -> tuple[Step, ...]:
    """Part rendered SQL at its marks; ``where`` names the revision."""
    steps: list[Step] = []
    is_alone = False
    first, *marked = _MARK.split(sql)
    for kind, detail, text in [("transaction", "", first), *_triples(marked)]:
        match kind:
            case "backfill":
                steps.append(_backfill(detail, where=where))
            case _:
                is_alone = kind == "alone"
        said = [each for each in statements(text) if each.code]
        if is_alone:
            steps += [_alone(each.text) for each in said]
        elif said:
            steps.append(Transactional(sql=text.strip()))
    return tuple(steps)


def for_empty(steps: Iterable[Step]) -> str:
    """Spell steps as the plain SQL that does the same to an empty schema."""
    return "\n".join(each.for_empty for each in steps)


def _triples(marked: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    return zip(marked[::3], marked[1::3], marked[2::3], strict=True)


def _alone(text: str) -> Alone:
    """Make a statement one that may be run again after it ran, or broke."""
    sql = text.strip().removesuffix(";").strip()
    found = _INDEX.search(sql)
    if found is not None:
        name = found[2]
        plain = name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()
        literal = "'" + plain.replace("'", "''") + "'"
        return Alone(
            sql=_INDEX.sub(r"\1 CONCURRENTLY IF NOT EXISTS \2", sql),
            clear_sql=_CLEAR_INDEX.format(literal=literal, name=name),
        )
    return Alone(sql=_INDEX_DROPPED.sub(r"\1 CONCURRENTLY IF EXISTS ", sql), clear_sql="")


def _backfill(detail: str, *, where: str) -> Backfill:
    try:
        return msgspec.json.decode(detail, type=Backfill)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ProductRefused(
            f"{where}: a backfill is spelled wrongly ({error}); write it with safe.backfill()"
        ) from error
