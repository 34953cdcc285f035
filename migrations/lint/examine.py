"""Looks through revisions, statement by statement, in the order in which they are run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from migrations.lint.columns import is_rewritten_by, is_widened
from migrations.lint.finding import Finding
from migrations.lint.history import History
from migrations.lint.rules import (
    ACTION_RULES,
    COLUMN_RULES,
    ENUM_VALUE,
    REPEATABLE,
    STATEMENT_RULES,
    TABLE_RULES,
    Rule,
)
from migrations.lint.words import NAME, Altered, Column, altered, bare
from migrations.product.steps import Alone, Backfill, Step, Transactional
from router.errors import ProductRefused
from router.product.revision_sql import Statement, statements

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from migrations.product.render import RenderedProduct, RenderedRevision

_NOT_NULL = re.compile(rf"^alter\s+(?:column\s+)?({NAME})\s+set\s+not\s+null$", re.IGNORECASE)
_ADD_NOT_NULL = re.compile(
    rf"^add\s+(?:constraint\s+{NAME}\s+)?not\s+null\s+({NAME})(?!.*\bnot\s+valid\b)", re.IGNORECASE
)
_TYPE = re.compile(
    rf"^alter\s+(?:column\s+)?({NAME})\s+(?:set\s+data\s+)?type\s+(.*?)(\s+using\b.*)?$",
    re.IGNORECASE | re.DOTALL,
)
_VALIDATE = re.compile(rf"^validate\s+constraint\s+({NAME})$", re.IGNORECASE)
_GIVEN = re.compile(r"\bnot\s+null\b", re.IGNORECASE)


class _Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a statement, before it is known whose it is."""

    rule: str
    danger: str
    remedy: str
    contracts: bool = False


def lint(rendered: RenderedProduct, *, only: Collection[str] | None = None) -> tuple[Finding, ...]:
    """Say what is wrong with the revisions; with ``only``, with those of these ids."""
    history = History()
    findings: list[Finding] = []
    earlier: list[str] = []
    for revision in rendered.revisions:
        # To its end, whoever is asked for: later ones are judged by what earlier ones made.
        found = [*_examine(revision, history, earlier)]
        if only is None or revision.id in only:
            findings += found
        earlier.append(revision.id)
    return tuple(findings)


def check(rendered: RenderedProduct, *, only: Collection[str] | None = None) -> None:
    """Raise ProductRefused when something is wrong with the revisions."""
    findings = lint(rendered, only=only)
    if findings:
        raise ProductRefused(
            "the revisions can't be run beside customers:\n  - " + "\n  - ".join(map(str, findings))
        )


def _examine(
    revision: RenderedRevision, history: History, earlier: Collection[str]
) -> Iterator[Finding]:
    history.begin_revision()
    contracts, found = revision.contracts, list(_faults(revision, history))
    used = {fault.rule for _, fault in found}
    for statement, fault in found:
        is_let_go = fault.contracts and contracts in earlier
        if not is_let_go and not revision.accepts.get(fault.rule):
            yield Finding(
                revision=revision.id,
                rule=fault.rule,
                statement=statement,
                danger=fault.danger,
                remedy=fault.remedy,
            )
    yield from _vain(revision, used=used, earlier=earlier)


def _vain(
    revision: RenderedRevision, *, used: Collection[str], earlier: Collection[str]
) -> Iterator[Finding]:
    """Find acknowledgements of nothing: they would hide the next fault."""
    if revision.contracts is not None and revision.contracts not in earlier:
        yield Finding(
            revision=revision.id,
            rule="contracts",
            statement=f"contracts = {revision.contracts!r}",
            danger="no revision before this one has that id",
            remedy="name the last revision whose release used what is dropped",
        )
    for rule, reason in revision.accepts.items():
        if rule not in used or not reason.strip():
            yield Finding(
                revision=revision.id,
                rule="accepts",
                statement=f"accepts = {{{rule!r}: {reason!r}}}",
                danger="nothing here breaks that rule" if reason.strip() else "it gives no reason",
                remedy="leave it out" if reason.strip() else "say why the danger is none here",
            )


def _faults(revision: RenderedRevision, history: History) -> Iterator[tuple[str, _Fault]]:
    for step in revision.steps:
        history.begin_step()
        if not isinstance(step, Backfill):
            for statement in statements(step.sql):
                if statement.code:
                    for fault in _statement_faults(statement, step, history):
                        yield statement.code, fault
                    history.learn(statement)


def _statement_faults(statement: Statement, step: Step, history: History) -> Iterator[_Fault]:
    code = statement.code
    yield from _matches(STATEMENT_RULES, code)
    for rule in TABLE_RULES:
        found = rule.pattern.search(code)
        if found is not None:
            table = found["table"]
            if (
                table is None
                or rule.name == "rows-in-a-revision"
                or not history.is_fresh(bare(table))
            ):
                yield _fault(rule)
    match step:
        case Transactional():
            yield from _matches((ENUM_VALUE,), code)
        case Alone() if not REPEATABLE.search(code):
            yield _Fault(
                rule="not-repeatable",
                danger="it would be run again after it broke halfway, and fail, or do it twice",
                remedy="leave alone only what may be: an index CONCURRENTLY, or ADD VALUE IF NOT "
                "EXISTS",
            )
        case _:
            pass
    for change in altered(code):
        if not history.is_fresh(change.table):
            yield from _action_faults(change, history)


def _action_faults(change: Altered, history: History) -> Iterator[_Fault]:
    if (column := change.column) is not None:
        yield from _column_faults(column)
        return
    yield from _matches(ACTION_RULES, change.action)
    found = _NOT_NULL.match(change.action) or _ADD_NOT_NULL.match(change.action)
    if found is not None and not history.is_given(change.table, bare(found[1])):
        yield _Fault(
            rule="blocking-not-null",
            danger="it looks through the whole table, which nobody can read or write meanwhile",
            remedy="use safe.add_not_null()",
        )
    if (found := _VALIDATE.match(change.action)) is not None and history.is_unchecked(
        change.table, bare(found[1])
    ):
        yield _Fault(
            rule="validate-at-once",
            danger="it looks through the whole table in the transaction that added the rule, whose "
            "lock shuts writers out",
            remedy="use safe.validate_constraint()",
        )
    if (found := _TYPE.match(change.action)) is not None:
        yield from _type_faults(change.table, found, history)


def _type_faults(table: str, found: re.Match[str], history: History) -> Iterator[_Fault]:
    before, after = history.type_of(table, bare(found[1])), " ".join(found[2].lower().split())
    if found[3] or not is_widened(before, after):
        yield _Fault(
            rule="rewrite-type",
            danger=f"each row is written anew to make {before or 'its type'} {after}, and nobody "
            "can read the table meanwhile",
            remedy="add a second column, write both, safe.backfill() it, and let the first one go "
            "a release later",
        )


def _column_faults(column: Column) -> Iterator[_Fault]:
    rules = column.rules.replace(column.default, "''") if column.default else column.rules
    yield from _matches(COLUMN_RULES, f"{column.type_sql} {rules}")
    if is_rewritten_by(column.default):
        yield _Fault(
            rule="rewrite-default",
            danger="its default differs from row to row, so each row is written anew, and nobody "
            "can read the table meanwhile",
            remedy="add the column without it, then ALTER COLUMN … SET DEFAULT, then "
            "safe.backfill()",
        )
    if _GIVEN.search(rules) and not column.default:
        yield _Fault(
            rule="not-null-without-default",
            danger="it fails where there are rows, and so does the last release, which doesn't "
            "write it",
            remedy="give it a default, or add it nullable, and use safe.add_not_null() a release "
            "later",
        )


def _matches(rules: tuple[Rule, ...], text: str) -> Iterator[_Fault]:
    return (_fault(rule) for rule in rules if rule.pattern.search(text))


def _fault(rule: Rule) -> _Fault:
    return _Fault(rule=rule.name, danger=rule.danger, remedy=rule.remedy, contracts=rule.contracts)
