"""What PostgreSQL does to the rows when a column is added, or its type changes."""

from __future__ import annotations

import re

_CALL = re.compile(r'("?[\w.]+"?)\s*\(')
_VARYING = re.compile(r"(?:varchar|character varying|varying)\s*(?:\((\d+)\))?")
_NUMERIC = re.compile(r"(?:numeric|decimal)\s*(?:\((\d+)\s*(?:,\s*(\d+))?\))?")
#: Asked once a statement, and so the same for all rows: they need not be written.
STABLE_FUNCTIONS = frozenset(
    {
        "array_fill",
        "current_setting",
        "decode",
        "gate.claimed",
        "jsonb_build_array",
        "jsonb_build_object",
        "lower",
        "make_date",
        "make_interval",
        "now",
        "statement_timestamp",
        "to_jsonb",
        "to_timestamp",
        "transaction_timestamp",
        "upper",
    }
)
#: What stands before a parenthesis without being called.
_TYPES = frozenset(
    """
    bit cast char character coalesce current_time current_timestamp decimal float greatest in
    interval least localtime localtimestamp nullif numeric time timestamp timestamptz timetz varchar
    varying
    """.split()  # noqa: SIM905 - a list of twenty quoted words is read by nobody
)


def is_rewritten_by(default: str) -> bool:
    """Tell whether a new column's default may differ from row to row, so that all are written."""
    called = {found.lower().strip('"') for found in _CALL.findall(default)}
    return bool(called - STABLE_FUNCTIONS - _TYPES)


def is_widened(before: str, after: str) -> bool:
    """Tell whether every value of one type is one of the other as it is stored."""
    if before == after:
        return True
    if (text := _VARYING.fullmatch(before)) is not None:
        wider = _VARYING.fullmatch(after)
        return after == "text" or (wider is not None and _is_longer(text[1], wider[1]))
    if before == "text":
        return after in {"varchar", "character varying"}
    old, new = _NUMERIC.fullmatch(before), _NUMERIC.fullmatch(after)
    if old is None or new is None:
        return False
    same_scale = new[1] is None or (old[2] or "0") == (new[2] or "0")
    return same_scale and _is_longer(old[1], new[1])


def _is_longer(before: str | None, after: str | None) -> bool:
    return after is None or (before is not None and int(after) >= int(before))
