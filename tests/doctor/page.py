"""The page of the doctor's rules, written from the rules; a test compares it with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.house.sources import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from deploy.doctor import Rule

PAGE = ROOT / "docs/reference/doctor.md"
HEAD = """# The doctor

<!-- Written from deploy/doctor; a test compares it with the rules. -->

`stepwell doctor` checks these rules against the live databases, as the administrator and reading \
only: the catalog, every cluster, its shared database, and every database of one tenant. Each \
finding names its rule, the object, the danger and the remedy. On a *grave* one `stepwell serve` \
does not start; the others are warnings.
"""
SCOPES = {
    "catalog": "What the catalog lists",
    "process": "This process",
    "pooler": "The pooler",
    "cluster": "A cluster and its roles",
    "database": "A database",
    "schema": "A tenants' schema",
    "billing": "Billing",
    "mail": "Mail",
}


def page(rules: Iterable[Rule]) -> str:
    """Tell every rule once, under what it is about."""
    listed = list(rules)
    parts = ["\n".join(_part(scope, listed)) for scope in SCOPES]
    return "\n".join([HEAD, *parts])


def _part(scope: str, rules: list[Rule]) -> Iterator[str]:
    yield f"## {SCOPES[scope]}\n"
    yield "| rule | what must hold | danger when it doesn't | remedy | |"
    yield "|---|---|---|---|---|"
    for rule in rules:
        if rule.scope == scope:
            kind = "grave" if rule.grave else "warning"
            yield f"| `{rule.name}` | {rule.title} | {rule.danger} | {rule.remedy} | {kind} |"
    yield ""
