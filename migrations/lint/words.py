"""Statements taken apart, as far as a linter needs to know them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = r'(?:"(?:[^"]|"")+"|[\w$]+)'
_QUALIFIED = rf"(?:{NAME}\s*\.\s*)?{NAME}"
_IF = r"(?:if\s+(?:not\s+)?exists\s+)?"
_ALTERED = re.compile(
    rf"^alter\s+table\s+{_IF}(?:only\s+)?({_QUALIFIED})\s*\*?\s*(.*)$", re.IGNORECASE | re.DOTALL
)
_CREATED = re.compile(
    rf"^create\s+(?:unlogged\s+)?table\s+{_IF}({_QUALIFIED})\s*\((.*)\)[^()]*$",
    re.IGNORECASE | re.DOTALL,
)
_ADDED = re.compile(
    rf"^add\s+(?:column\s+)?{_IF}(?!(?:constraint|check|unique|primary|foreign|exclude|not)\b)"
    rf"({NAME})\s+(.*)$",
    re.IGNORECASE | re.DOTALL,
)
_COLUMN = re.compile(
    rf"^(?!(?:constraint|check|unique|primary|foreign|exclude|like)\b)({NAME})\s+(.*)$",
    re.IGNORECASE | re.DOTALL,
)
#: What may follow a column's type, or its default.
_AFTER = (
    r"(?:collate|default|not\s+null|null|constraint|check|unique|primary\s+key|references"
    r"|generated|storage|compression)"
)
_TYPE = re.compile(rf"^(.*?)(?:\s+{_AFTER}\b|$)", re.IGNORECASE | re.DOTALL)
_DEFAULT = re.compile(rf"(?<!by )\bdefault\s+(.*?)(?:\s+{_AFTER}\b|$)", re.IGNORECASE | re.DOTALL)


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column as a statement makes it: ``rules`` is all that stands after the type."""

    name: str
    type_sql: str
    default: str
    rules: str


class Altered(msgspec.Struct, frozen=True, kw_only=True):
    """One action of an ALTER TABLE."""

    table: str
    action: str

    @property
    def column(self) -> Column | None:
        """The column that the action adds."""
        found = _ADDED.match(self.action)
        return None if found is None else _column(found)


def bare(name: str) -> str:
    """Return a name as PostgreSQL stores it, without its schema."""
    last = re.findall(NAME, name)[-1] if name else name
    return last[1:-1].replace('""', '"') if last.startswith('"') else last.lower()


def altered(code: str) -> Iterator[Altered]:
    """Take an ALTER TABLE apart; other statements have no such parts."""
    found = _ALTERED.match(code)
    if found is not None:
        for action in split(found[2]):
            yield Altered(table=bare(found[1]), action=action)


def created(code: str) -> tuple[str, tuple[Column, ...]] | None:
    """Return the table that a statement makes, with its columns; None when it makes none."""
    found = _CREATED.match(code)
    if found is None:
        return None
    columns = [_COLUMN.match(item) for item in split(found[2])]
    return bare(found[1]), tuple(_column(each) for each in columns if each is not None)


def split(text: str) -> list[str]:
    """Part a list at the commas that stand in no parentheses."""
    parts: list[str] = []
    depth = since = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(text[since:place])
            since = place + 1
    return [part.strip() for part in (*parts, text[since:]) if part.strip()]


def _column(found: re.Match[str]) -> Column:
    said = found[2].strip()
    kind = _TYPE.match(said)
    default = _DEFAULT.search(said)
    assert kind is not None, "it matches anything"
    return Column(
        name=bare(found[1]),
        type_sql=" ".join(kind[1].lower().split()),
        default=default[1].strip() if default else "",
        rules=said[kind.end(1) :].strip(),
    )
