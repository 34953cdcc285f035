"""Requests drawn from the document: what it allows, and what it doesn't."""

# The library leaves some of its types open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, TypeAlias

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.generation.case import Case
from schemathesis.generation.modes import GenerationMode
from schemathesis.schemas import APIOperation

Operation: TypeAlias = APIOperation[Any, Any, Any, Any]
Drawn: TypeAlias = Case[Any]

_SAFE = frozenset({"get", "head", "options"})


def operations_of(document: dict[str, Any], *, are_safe: bool) -> list[Operation]:
    """Return the document's operations that only read, or those that change; deletes come last."""
    schema = schemathesis.openapi.from_dict(document)
    found = []
    for each in schema.get_all_operations():
        if not isinstance(each, Ok):
            raise each.err()
        if (each.ok().method in _SAFE) is are_safe:
            found.append(each.ok())
    return sorted(found, key=lambda each: (each.method == "delete", each.path))


def draw(operation: Operation, *, amount: int, seed: int) -> list[Drawn]:
    """Draw about ``amount`` different cases: half of them keep to the document, half don't."""
    return [
        case
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
        for case in _drawn(operation, mode, amount=-(-amount // 2), seed=seed)
    ]


def _drawn(
    operation: Operation, mode: GenerationMode, *, amount: int, seed: int
) -> Iterator[Drawn]:
    cases: list[Drawn] = []

    @settings(
        max_examples=amount,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[*HealthCheck],  # pyright: ignore[reportArgumentType]  # its metaclass hides what it holds
    )
    @seeded(seed)
    @given(operation.as_strategy(mode))
    def collect(case: Drawn) -> None:
        cases.append(case)

    # A call without any input has nothing that could be against the document.
    with contextlib.suppress(schemathesis.errors.SchemathesisError, Unsatisfiable):
        collect()
    return iter(cases)
