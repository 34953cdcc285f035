"""Whether what a revision does asks for gate.adopt(): new tables, views, triggers and the like."""

from __future__ import annotations

import re

from router.product.revision_sql import statements

_ADD_COLUMN = (
    r"add\s+(?:column\s+)?(?!constraint\b)(?:(?!\bgenerated\b|\breferences\b|\bserial\b).)*"
)
#: What leaves nothing that adopt() looks after. Whatever isn't here is adopted, which does no harm
#: and costs some milliseconds in each schema.
_HARMLESS = re.compile(
    rf"""
    alter\s+table\s+(?:if\s+exists\s+)?(?:only\s+)?[\w."]+\s+(?:
        {_ADD_COLUMN}
        | drop\s+(?:column|constraint)\b.*
        | alter\s+(?:column\s+)?[\w"]+\s+(?:set|drop)\s+(?:default|not\s+null)\b.*
        | add\s+constraint\s+[\w"]+\s+(?:check|not\s+null)\b.*
        | validate\s+constraint\b.*
    )
    | (?:create\s+(?:unique\s+)?index|drop\s+index|comment\s+on|update|insert|delete)\b.*
    """,
    re.VERBOSE | re.IGNORECASE | re.DOTALL,
)


def needs_adopting(sql: str) -> bool:
    """Tell whether the stored form has to be completed after these statements."""
    return not all(
        _HARMLESS.fullmatch(each.code.strip()) for each in statements(sql) if each.code.strip()
    )
