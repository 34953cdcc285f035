"""What the tables look like by the time a statement runs: read off the revisions before it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from migrations.lint.words import NAME, Altered, altered, bare, created

if TYPE_CHECKING:
    from router.product.revision_sql import Statement

_RENAMED_TABLE = re.compile(rf"^rename\s+to\s+({NAME})$", re.IGNORECASE)
_RENAMED = re.compile(
    rf"^rename\s+(?:column\s+)?(?!constraint\b|to\b)({NAME})\s+to\s+({NAME})$", re.IGNORECASE
)
_RETYPED = re.compile(
    rf"^alter\s+(?:column\s+)?({NAME})\s+(?:set\s+data\s+)?type\s+(.*?)(?:\s+using\b.*)?$",
    re.IGNORECASE | re.DOTALL,
)
_CHECKED = re.compile(
    rf"^add\s+constraint\s+({NAME})\s+check\s*\(\s*\(*\s*({NAME})\s+is\s+not\s+null\s*\)*\s*\)"
    r"(\s+not\s+valid)?$",
    re.IGNORECASE,
)
_VALIDATED = re.compile(rf"^validate\s+constraint\s+({NAME})$", re.IGNORECASE)
_UNCHECKED = re.compile(
    rf"^add\s+(?:constraint\s+({NAME})\s+)?.*\bnot\s+valid$", re.IGNORECASE | re.DOTALL
)


class History:
    """Follows the statements of all revisions, first to last."""

    def __init__(self) -> None:
        self._types: dict[str, dict[str, str]] = {}
        self._fresh: set[str] = set()
        #: Checks that a column is given, by table and name; and those that were proved.
        self._checks: dict[tuple[str, str], str] = {}
        self._proved: set[tuple[str, str]] = set()
        self._unchecked: set[tuple[str, str]] = set()

    def begin_revision(self) -> None:
        """Believe from here on that all tables so far have rows."""
        self._fresh.clear()

    def begin_step(self) -> None:
        """Believe from here on that what was done so far is committed."""
        self._unchecked.clear()

    def is_fresh(self, table: str) -> bool:
        """Tell whether this revision made the table: it has no rows, and no readers."""
        return table in self._fresh

    def type_of(self, table: str, column: str) -> str:
        """Return a column's type; nothing when no revision says it."""
        return self._types.get(table, {}).get(column, "")

    def is_given(self, table: str, column: str) -> bool:
        """Tell whether a proved rule says that a column is never NULL."""
        return (table, column) in self._proved

    def is_unchecked(self, table: str, rule: str) -> bool:
        """Tell whether the same step added the rule, and so still holds its lock."""
        return (table, rule) in self._unchecked

    def learn(self, statement: Statement) -> None:
        """Note what a statement changes."""
        if (made := created(statement.code)) is not None:
            table, columns = made
            self._fresh.add(table)
            self._types[table] = {each.name: each.type_sql for each in columns}
        for each in altered(statement.code):
            self._learn(each)

    def _learn(self, change: Altered) -> None:
        table, action = change.table, change.action
        types = self._types.setdefault(table, {})
        if (column := change.column) is not None:
            types[column.name] = column.type_sql
        elif (found := _RENAMED_TABLE.match(action)) is not None:
            self._types[bare(found[1])] = self._types.pop(table)
        elif (found := _RENAMED.match(action)) is not None:
            types[bare(found[2])] = types.pop(bare(found[1]), "")
        elif (found := _RETYPED.match(action)) is not None:
            types[bare(found[1])] = found[2].lower()
        else:
            self._learn_rule(table, action)

    def _learn_rule(self, table: str, action: str) -> None:
        if (found := _UNCHECKED.match(action)) is not None and found[1]:
            self._unchecked.add((table, bare(found[1])))
        if (found := _CHECKED.match(action)) is not None:
            self._checks[table, bare(found[1])] = bare(found[2])
            if not found[3]:
                self._proved.add((table, bare(found[2])))
        elif (found := _VALIDATED.match(action)) is not None:
            column = self._checks.get((table, bare(found[1])))
            if column is not None:
                self._proved.add((table, column))
