"""What the doctor looks for, and what it says when it finds it."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Scope: TypeAlias = Literal[
    "cluster", "database", "schema", "catalog", "pooler", "process", "billing", "mail"
]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that must hold. ``sql`` names each object that breaks it; None: Python looks.

    ``grave`` means that rows may leak or be lost: a process that serves requests doesn't start.
    """

    name: str
    title: str
    danger: str
    remedy: str
    grave: bool
    scope: Scope
    sql: str | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One object that breaks a rule; ``where`` is its cluster, or cluster/database."""

    rule: str
    object: str
    where: str
    detail: str
    danger: str
    remedy: str
    grave: bool

    def __str__(self) -> str:
        kind = "grave" if self.grave else "warning"
        return (
            f"{kind}: {self.rule}: {self.object} at {self.where}: {self.detail}. "
            f"{self.danger} {self.remedy}"
        )


def found(rule: Rule, *, thing: str, where: str, detail: str) -> Finding:
    """Say that an object breaks a rule."""
    return Finding(
        rule=rule.name,
        object=thing,
        where=where,
        detail=detail,
        danger=rule.danger,
        remedy=rule.remedy,
        grave=rule.grave,
    )
