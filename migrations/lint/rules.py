"""What an action on a table, or a whole statement, must not be: patterns with their safe forms."""

from __future__ import annotations

import re

import msgspec

from migrations.lint.words import NAME

_SETTINGS = (
    r"lock_timeout|statement_timeout|transaction_timeout|idle_in_transaction_session_timeout"
    r"|synchronous_commit|default_transaction_\w+"
)
_MAYBE = r"(?:if\s+exists\s+)?"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A pattern, what happens where it is found, and what to write instead.

    ``contracts`` says that a revision may do it once it names the release that has let go of it.
    """

    name: str
    pattern: re.Pattern[str]
    danger: str
    remedy: str
    contracts: bool = False


def _rule(name: str, pattern: str, danger: str, remedy: str, *, contracts: bool = False) -> Rule:
    compiled = re.compile(pattern, re.IGNORECASE | re.DOTALL)
    return Rule(name=name, pattern=compiled, danger=danger, remedy=remedy, contracts=contracts)


_LET_GO = (
    "let a release go out that doesn't use it, and in the next one say `contracts = \"<the last "
    'revision whose release used it>"` in the revision'
)
_EXPAND = "add the new one, write both, safe.backfill() it, and let the old one go a release later"
_SCANS = "it looks through the whole table, which nobody can write, or read, meanwhile"

#: Over one action of an ALTER TABLE on a table that was there before.
ACTION_RULES = (
    _rule(
        "storage-change",
        r"^set\s+(?:logged|unlogged|tablespace|access\s+method)\b",
        "it writes the whole table anew, which nobody can read meanwhile",
        "leave it to the administrator",
    ),
    _rule(
        "blocking-foreign-key",
        r"^add\s+(?:constraint\s+\S+\s+)?foreign\s+key\b(?!.*\bnot\s+valid\b)",
        "it looks through the whole table, while nobody can write this one or the other",
        "use safe.add_foreign_key_not_valid(), then safe.validate_constraint()",
    ),
    _rule(
        "blocking-check",
        r"^add\s+(?:constraint\s+\S+\s+)?check\b(?!.*\bnot\s+valid\b)",
        _SCANS,
        "use safe.add_check()",
    ),
    _rule(
        "blocking-unique",
        r"^add\s+(?:constraint\s+\S+\s+)?(?:unique|primary\s+key)\b(?!\s+using\s+index\b)",
        "it builds an index while nobody can read or write the table",
        "use safe.add_unique(), or safe.create_index_concurrently(unique=True) with ADD CONSTRAINT "
        "… USING INDEX",
    ),
    _rule(
        "identity-change",
        rf"^alter\s+(?:column\s+)?{NAME}\s+"
        r"(?:add\s+generated|drop\s+identity|set\s+generated|restart|set\s+(?:increment|start))\b",
        "ids of shared tables are counted by the platform, so it fails there",
        "leave a column's identity as it was made",
    ),
    _rule(
        "drop-column",
        rf"^drop\s+(?:column\s+)?{_MAYBE}(?!constraint\b){NAME}",
        "the last release still reads the column, and its requests fail from here on",
        _LET_GO,
        contracts=True,
    ),
    _rule(
        "rename-column",
        rf"^rename\s+(?:column\s+)?(?!constraint\b|to\b){NAME}\s+to\b",
        "the last release still uses the old name, and its requests fail from here on",
        _EXPAND,
    ),
    _rule(
        "rename-table",
        r"^rename\s+to\b",
        "the last release still uses the old name, and its requests fail from here on",
        _EXPAND,
    ),
)

#: Over what stands after the type of a column that is added to a table that was there before.
COLUMN_RULES = (
    _rule(
        "rewrite-generated",
        r"\bgenerated\s+(?:always|by\s+default)\s+as\b|^serial|\bbigserial\b",
        "each row is written anew, and nobody can read the table meanwhile",
        "add a plain column, let the product write it, and safe.backfill() the rows of before",
    ),
    _rule(
        "blocking-unique",
        r"\b(?:unique|primary\s+key)\b",
        "it builds an index while nobody can read or write the table",
        "add the column, then use safe.add_unique()",
    ),
    _rule(
        "blocking-foreign-key",
        r"\breferences\b",
        "it looks through the whole table, while nobody can write this one or the other",
        "add the column, then use safe.add_foreign_key_not_valid() and safe.validate_constraint()",
    ),
    _rule("blocking-check", r"\bcheck\s*\(", _SCANS, "add the column, then use safe.add_check()"),
)

#: Over whole statements that speak of a table in their group ``table``, if it was there before.
TABLE_RULES = (
    _rule(
        "blocking-index",
        rf"^create\s+(?:unique\s+)?index\s+(?!concurrently\b)(?:.*?\s)?on\s+(?:only\s+)?"
        rf"(?P<table>{NAME})",
        "nobody can write the table until the index is built",
        "use safe.create_index_concurrently()",
    ),
    _rule(
        "rows-in-a-revision",
        rf"^(?:with\b.*?\b)?(?:update\s+(?:only\s+)?|delete\s+from\s+(?:only\s+)?|insert\s+into\s+"
        rf"|merge\s+into\s+)(?P<table>{NAME})",
        "a revision is in no tenant, so row security shows it no rows and takes none; and it would "
        "lock all of them at once",
        "use safe.backfill()",
    ),
    _rule(
        "truncate",
        rf"^truncate\s+(?:table\s+)?(?:only\s+)?(?P<table>{NAME})",
        "it takes every customer's rows away, and can't be taken back",
        "delete rows by the product's own code, tenant by tenant",
    ),
    _rule(
        "lock-table",
        rf"^lock\s+(?:table\s+)?(?:only\s+)?(?P<table>{NAME})",
        "everybody who comes later waits for it until the whole revision is done",
        "leave it out: each statement takes the lock that it needs",
    ),
    _rule(
        "rewrite-table",
        rf"^cluster\s+(?:verbose\s+)?(?P<table>{NAME})|^vacuum\s.*\bfull\b",
        "it writes the whole table anew, which nobody can read meanwhile",
        "leave it to the administrator",
    ),
    _rule(
        "drop-table",
        rf"^drop\s+table\s+{_MAYBE}(?P<table>{NAME})",
        "the last release still uses the table, and its requests fail from here on",
        _LET_GO,
        contracts=True,
    ),
)

#: Over whole statements, whatever they speak of.
STATEMENT_RULES = (
    _rule(
        "blocking-index-drop",
        r"^drop\s+index\s+(?!concurrently\b)",
        "it waits until nobody reads the table, and everybody who comes later waits behind it",
        "use safe.drop_index_concurrently()",
    ),
    _rule(
        "blocking-reindex",
        r"^reindex\b",
        "nobody can write the table until its indexes are built",
        "leave it to the administrator",
    ),
    _rule(
        "drop-cascade",
        r"^(?:drop|alter)\b.*\bdrop\b.*\bcascade$|^drop\b.*\bcascade$",
        "it takes along what nobody has looked at, in each database something else",
        "drop what depends on it by name, and leave CASCADE out",
    ),
    _rule(
        "drop-used",
        r"^drop\s+(?:view|type|domain|function|procedure|routine|aggregate)\b",
        "the last release still uses it, and its requests fail from here on",
        _LET_GO,
        contracts=True,
    ),
    _rule(
        "rename-used",
        r"^alter\s+(?:view|type|domain|function)\s.*\brename\b(?!\s+constraint\b)",
        "the last release still uses the old name, and its requests fail from here on",
        _EXPAND,
    ),
    _rule(
        "domain-check",
        r"^alter\s+domain\s.*\badd\s+(?:constraint\s+\S+\s+)?(?:check|not\s+null)\b"
        r"(?!.*\bnot\s+valid\b)|^alter\s+domain\s.*\bset\s+not\s+null\b",
        "it looks through every table that uses the domain, which nobody can write meanwhile",
        "add the rule with NOT VALID, and VALIDATE CONSTRAINT it after safe.transaction()",
    ),
    _rule(
        "opaque-block",
        r"^do\b",
        "what it does is put together while it runs, and nobody sees it before",
        "write the statements themselves",
    ),
    _rule(
        "own-timeouts",
        rf"^(?:set|reset)\s+(?:local\s+|session\s+)?(?P<what>{_SETTINGS})\b",
        "how long a revision may wait for a lock is the platform's to say, and it tries again",
        "leave it out",
    ),
)

#: ALTER TYPE … ADD VALUE, where it is part of a transaction.
ENUM_VALUE = _rule(
    "enum-value",
    r"^alter\s+type\s.*\badd\s+value\b",
    "the value can't be used before the transaction is over, and is there if it fails later on",
    "put safe.alone() before it and safe.transaction() after it",
)
#: What may be run outside of transactions: it can be repeated after it broke.
REPEATABLE = re.compile(
    r"^(?:create\s+(?:unique\s+)?index\s+concurrently|drop\s+index\s+concurrently"
    r"|alter\s+type\s.*\badd\s+value\s+if\s+not\s+exists)\b",
    re.IGNORECASE | re.DOTALL,
)
