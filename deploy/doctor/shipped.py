"""What this version's gate is made of, read from the SQL that we ship: to know a changed one."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

_FUNCTION = re.compile(
    r"CREATE (?:OR REPLACE )?FUNCTION gate\.(?P<name>\w+)\([^)]*\) RETURNS (?P<head>.*?)"
    r"(?:AS \$gate\$(?P<body>.*?)\$gate\$|\nRETURN (?P<expression>.*?));",
    re.DOTALL,
)
_OWNER = re.compile(r"^SET LOCAL ROLE (\w+);", re.MULTILINE)
_GRANT = re.compile(r"GRANT EXECUTE ON FUNCTION(?P<functions>.*?)\bTO\b(?P<roles>.*?);", re.DOTALL)
_GRANTED = re.compile(r"gate\.(\w+)\(")
#: What PostgreSQL adds to, or takes from, an expression when it tells it back.
_SPELLING = re.compile(r'::text|["()\s]')


class GateFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A function of the gate. ``body`` is a hash, or an expression without its punctuation."""

    name: str
    owner: str
    body: str
    is_definer: bool
    grantees: list[str]


def shipped_gate() -> list[GateFunction]:
    """Read every function that a prepared database has."""
    found: list[GateFunction] = []
    for file in sorted(files("router.gate").iterdir(), key=lambda each: each.name):
        if file.name.endswith(".sql"):
            found += read_functions(file.read_text(encoding="utf-8"))
    assert found, "the gate has functions"
    return found


def read_functions(sql: str) -> Iterator[GateFunction]:
    """Read the functions of one script, with the owner and the grants that it gives them."""
    for match in _FUNCTION.finditer(sql):
        owners = _OWNER.findall(sql, 0, match.start())
        yield GateFunction(
            name=match["name"],
            owner=owners[-1] if owners else "",
            body=_hash(match["body"]) if match["body"] else _bare(match["expression"]),
            is_definer="SECURITY DEFINER" in match["head"],
            grantees=sorted(_grantees(sql, match["name"])),
        )


def _grantees(sql: str, name: str) -> Iterator[str]:
    for grant in _GRANT.finditer(sql):
        if name in _GRANTED.findall(grant["functions"]):
            yield from re.findall(r"\w+", grant["roles"])


def _hash(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _bare(expression: str) -> str:
    return _SPELLING.sub("", f"return {expression}".lower())
