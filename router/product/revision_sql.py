"""What the SQL of a revision must not say: found before any database has to run it.

This protects from slips, not from malice: SQL that a revision puts together while it runs is seen
by nobody before. ``stepwell doctor`` looks at what came of it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE = re.compile(
    r"""
    (?P<comment> --[^\n]* | /\*.*?\*/ )
    | (?P<body> (?<![\w$]) (?P<tag> \$(?:[a-z_]\w*)?\$ ) .*? (?P=tag) )
    | (?P<string> (?<!\w) e'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' )
    | (?P<quoted> "(?:[^"]|"")*" )
    | (?P<end> ; )
    | [^-/$'"e;]+ | .
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
#: Strings that are part of what is said (a setting's name, a sequence's); others are a customer's.
_WORD = re.compile(r"e?'[\w.]*'", re.IGNORECASE)
_ATOMIC = re.compile(r"\bbegin\s+atomic\b", re.IGNORECASE)

_NAME = r'(?:"[^"]+"|[\w$]+)'
_MAYBE = r"(?:if\s+(?:not\s+)?exists\s+)?"
_TABLE = r"^(?:create\s+(?:unlogged\s+)?table|alter\s+table)\b"
_TENANT_FIRST = r'(?!\s*"?tenant_id\b)'
#: Where a statement of PL/pgSQL may begin.
_BEGINS = r"(?:^|;|\$|\b(?:begin|then|else|loop)\b)\s*"


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement: ``text`` as it was written, ``code`` without comments and long strings.

    ``bodies`` are those of functions.
    """

    text: str
    code: str
    bodies: str

    @property
    def whole(self) -> str:
        """Everything that it says."""
        return f"{self.code} $$ {self.bodies}" if self.bodies else self.code


class _Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A pattern that no statement may have, and what is wrong with it; ``what`` names the place."""

    pattern: re.Pattern[str]
    reason: str
    in_bodies: bool = True


def _rule(pattern: str, reason: str, *, in_bodies: bool = True) -> _Rule:
    compiled = re.compile(pattern, re.IGNORECASE | re.DOTALL)
    return _Rule(pattern=compiled, reason=reason, in_bodies=in_bodies)


_SEQUENCE = "a sequence would be shared by all customers; use Identity()"
_ONE_TRANSACTION = "a revision is one transaction, which the platform begins and ends; leave it out"
_WHO = "the platform chooses who a transaction is; leave it out"
_NOT_PLAIN = "inherited and partitioned tables can't be stored; make it plain"
_ROW_SECURITY = "row security is the platform's, for every table the same; leave it out"
_WITHIN_A_TENANT = (
    "it would hold across customers, or tell one what another has; begin it with tenant_id, or let "
    "`stepwell revision` write it"
)

_RULES = (
    _rule(
        rf"\bcreate\s+materialized\s+view\s+{_MAYBE}{_NAME}",
        "it has no row security, so every customer would read all; use a table that the product "
        "fills, or a plain view",
    ),
    _rule(
        rf"\bcreate\s+foreign\s+table\s+{_MAYBE}{_NAME}",
        "it has no row security, so every customer would read all; use a plain table",
    ),
    _rule(
        rf"\bcreate\s+(?:or\s+replace\s+)?rule\s+{_NAME}",
        "a rule sends a customer's statement elsewhere, with the owner's rights; use a trigger",
    ),
    _rule(rf"\b(?:create|alter|drop)\s+policy\s+{_MAYBE}{_NAME}", _ROW_SECURITY),
    _rule(r"\b(?:disable|no\s+force)\s+row\s+level\s+security\b", _ROW_SECURITY),
    _rule(
        r"^(?P<what>grant|revoke|alter\s+default\s+privileges)\b"
        r"|\b(?P<also>grant|revoke)\s+(?:all|select|insert|update|delete|truncate|references"
        r"|trigger|usage|execute)\b[^;]*\bon\b",
        "rights are the platform's: each login gets what its tables need; leave it out",
    ),
    _rule(
        r"(?<!rename\s)(?<!column\s)\bowner\s+to\b|\breassign\s+owned\b",
        "everything belongs to the platform's owner; leave it out",
    ),
    _rule(
        rf"{_BEGINS}(?P<what>(?:set|reset)\s+(?:local\s+|session\s+)?role\b)"
        r"|\bset_config\s*\(\s*'role'|\bsession[_\s]+authorization\b",
        _WHO,
    ),
    _rule(
        r"^(?:create|alter)\b(?:(?!\bbegin\s+atomic\b).)*?\b(?:function|procedure)\b"
        r"(?:(?!\bbegin\s+atomic\b).)*?\b(?P<what>set\s+role)\b",
        _WHO,
        in_bodies=False,
    ),
    _rule(
        r"^(?P<what>(?:set|reset)\s+(?:local\s+|session\s+)?(?:search_path|all)\b)|^discard\b",
        "the platform chooses where tables are made and found; leave it out",
        in_bodies=False,
    ),
    _rule(
        r"\bsession_replication_role\b|\brow_security\b",
        "it switches off what keeps customers apart; leave it out",
    ),
    _rule(
        r"\b(?:from|join|into|update|table|only)\s+(?P<what>\"?gate\"?\s*\.\s*\"?\w+)"
        r"|\bgate\s*\.\s*(?:enter|adopt|log_change|refuse_truncate)\s*\(|'gate\.\w+'",
        "the gate is the platform's; leave it out",
    ),
    _rule(
        rf"^(?P<what>(?:create(?:\s+or\s+replace)?|alter|drop)\s+(?:(?:unlogged|temp|temporary"
        r"|recursive|unique|materialized|foreign)\s+)*(?:table|view|index|function|procedure"
        r"|aggregate|type|domain|collation|sequence)\s+(?:concurrently\s+)?"
        rf"{_MAYBE}(?:only\s+)?{_NAME}\s*\.\s*{_NAME})"
        rf"|^create\s.*?\b(?:index|trigger)\b.*?\b(?P<also>on\s+(?:only\s+)?{_NAME}\s*\.\s*{_NAME})"
        r"|^(?P<third>(?:insert\s+into|update|delete\s+from|truncate(?:\s+table)?)\s+(?:only\s+)?"
        rf"(?!\"?gate\b){_NAME}\s*\.\s*{_NAME})",
        "it names a schema; leave it out, the platform chooses it",
        in_bodies=False,
    ),
    _rule(
        r"^(?P<what>(?:create|alter|drop)\s+schema)\b|\bset\s+schema\b",
        "the platform chooses the schema; leave it out",
    ),
    _rule(
        rf"\bcreate\s+(?:temp\w*\s+|unlogged\s+)?sequence\s+{_MAYBE}{_NAME}"
        rf"|\b(?:nextval|setval)\s*\(",
        _SEQUENCE,
    ),
    _rule(
        r"\b(?:create|alter|drop)\s+(?:trusted\s+)?(?:event\s+trigger|extension|server"
        r"|foreign\s+data\s+wrapper|user\s+mapping|publication|subscription|database|role|user"
        rf"|tablespace|language)\s+{_MAYBE}{_NAME}"
        r"|^(?:alter\s+system|security\s+label|import\s+foreign\s+schema)\b",
        "it reaches beyond one customer's tables, and is the administrator's; leave it out",
    ),
    _rule(
        rf"^(?P<what>create\s+(?:unlogged\s+)?table\s+{_MAYBE}{_NAME})(?!.*\btenant_id\b)",
        "it has no tenant_id, so nobody could read it; declare it in the models, and let `stepwell "
        "revision` write it",
        in_bodies=False,
    ),
    _rule(
        rf"(?P<what>{_TABLE})(?=.*(?:\binherits\s*\(|\bpartition\s+(?:by|of)\b"
        r"|\binherit\s|\battach\s+partition\b))",
        _NOT_PLAIN,
        in_bodies=False,
    ),
    _rule(
        r"\b(?:alter|drop|rename)\s+(?:column\s+)?(?:if\s+exists\s+)?\"?tenant_id\b",
        "the column is the platform's; leave it as it is",
        in_bodies=False,
    ),
    _rule(
        rf"^(?P<what>create\s+unique\s+index\b[^(]*)\({_TENANT_FIRST}",
        _WITHIN_A_TENANT,
        in_bodies=False,
    ),
    _rule(
        rf"{_TABLE}.*?(?<![\"\w])(?P<what>(?:unique(?:\s+nulls\s+(?:not\s+)?distinct)?"
        rf"|primary\s+key)\b(?:\s*\({_TENANT_FIRST}[^)]*\)|(?!\s*(?:\(|using\b|nulls\b))))",
        _WITHIN_A_TENANT,
        in_bodies=False,
    ),
    _rule(
        rf"{_TABLE}.*?\b(?P<what>exclude\s+(?:using\s+\w+\s*)?\()",
        "an exclusion would hold across customers; check it in the product, or with a unique rule",
        in_bodies=False,
    ),
    _rule(
        r"\b(?:(?:create\s+(?:or\s+replace\s+)?(?:constraint\s+)?|drop\s+|disable\s+|enable\s+)"
        rf"trigger\s+{_MAYBE}\"?stepwell_\w+|disable\s+trigger\s+(?:all|user)\b)",
        "triggers named stepwell_… write down what changes while a customer moves; name your own",
    ),
    _rule(
        r"^(?P<what>begin|start\s+transaction|commit|end|rollback|abort)\b"
        r"(?!\s+(?:work\s+|transaction\s+)?to\b)",
        _ONE_TRANSACTION,
        in_bodies=False,
    ),
    _rule(
        r"^reindex\s[^(]*?\bconcurrently\b|^vacuum\b",
        "it can't run inside of a transaction, and a revision is one; leave it out",
        in_bodies=False,
    ),
    _rule(
        rf"\bpg_notify\s*\(|{_BEGINS}(?P<what>(?:notify|listen)\s+{_NAME})",
        "every customer of the database may listen; write a row, and let the product read it",
    ),
    _rule(
        r"(?<!\bnot )\bleakproof\b",
        "such a function sees rows before row security has chosen them; leave it out",
        in_bodies=False,
    ),
    _rule(
        rf"\balter\s+view\s+{_MAYBE}{_NAME}\s+(?:reset\s*\([^)]*\bsecurity_invoker"
        r"|set\s*\([^)]*\bsecurity_invoker\s*=\s*'?(?:false|off|no|0))",
        "the view would read as its owner; leave security_invoker on",
    ),
)

_CONCURRENTLY = _rule(
    r"^(?:create|drop)\s[^(]*?\bconcurrently\b",
    "it can't run inside of a transaction; write it with safe.create_index_concurrently() or "
    "safe.drop_index_concurrently()",
    in_bodies=False,
)

_VIEW = re.compile(
    rf"\bcreate\s+(?:or\s+replace\s+)?(?:temp\w*\s+)?(?:recursive\s+)?(view\s+{_NAME})(.*?)\bas\b",
    re.IGNORECASE | re.DOTALL,
)
_INVOKER = re.compile(r"\bsecurity_invoker\s*(?:=\s*'?(?:true|on|yes|1)'?)?\s*[,)]", re.IGNORECASE)
_DEFINER = re.compile(r"\bsecurity\s+definer\b", re.IGNORECASE)
_FUNCTION = re.compile(
    rf"\b(?:create|alter)\s+(?:or\s+replace\s+)?((?:function|procedure|routine)\s+{_NAME})",
    re.IGNORECASE,
)


def sql_refusals(sql: str, *, where: str, is_alone: bool = False) -> Iterator[str]:
    """Say what is wrong with the SQL of a revision; ``where`` names it.

    What ``is_alone`` runs outside of transactions.
    """
    rules = _RULES if is_alone else (*_RULES, _CONCURRENTLY)
    for statement in statements(sql):
        for rule in rules:
            found = rule.pattern.search(statement.whole if rule.in_bodies else statement.code)
            if found is not None:
                yield f"{where}: {_said(found)}: {rule.reason}"
        for view in _VIEW.finditer(statement.whole):
            if not _INVOKER.search(view[2]):
                yield (
                    f"{where}: {view[1]}: it reads as its owner; create it WITH "
                    "(security_invoker = true)"
                )
        if _DEFINER.search(statement.whole):
            named = _FUNCTION.search(statement.whole)
            yield (
                f"{where}: {named[1] if named else 'a function'}: SECURITY DEFINER runs it as the "
                "tables' owner; leave it SECURITY INVOKER"
            )


def _said(found: re.Match[str]) -> str:
    """Say the part of a statement that a rule is about."""
    parts = found.groupdict()
    return (parts.get("what") or parts.get("also") or parts.get("third") or found[0]).strip()


def statements(sql: str) -> Iterator[Statement]:
    """Part the SQL at its semicolons, those of functions' bodies left alone."""
    code: list[str] = []
    bodies: list[str] = []
    since = began = 0
    for found in _PIECE.finditer(sql):
        match found.lastgroup:
            case "end" if not _is_within_body(code, since):
                yield _statement(sql[began : found.end()], code, bodies)
                code, bodies, since, began = [], [], 0, found.end()
                continue
            case "end":
                since = len(code) + 1
            case "body":
                tag = found["tag"]
                bodies.append(_stripped(found["body"][len(tag) : -len(tag)]))
            case _:
                pass
        code.append(_spoken(found))
    yield _statement(sql[began:], code, bodies)


def _statement(text: str, code: list[str], bodies: list[str]) -> Statement:
    return Statement(
        text=text,
        code=" ".join("".join(code).split()),
        bodies=" ".join("".join(bodies).split()),
    )


def _is_within_body(code: list[str], since: int) -> bool:
    """Tell whether a semicolon parts the statements of a body that is written without quotes."""
    if not _ATOMIC.search("".join(code)):
        return False
    return "".join(code[since:]).strip().lower() != "end"


def _stripped(body: str) -> str:
    return "".join(_spoken(found) for found in _PIECE.finditer(body)) + "; "


def _spoken(found: re.Match[str]) -> str:
    """Return a piece of SQL as far as it says what happens."""
    if found["comment"]:
        return " "
    if found["string"] and not _WORD.fullmatch(found["string"]):
        return "''"
    return "$$" if found["body"] else found[0]
