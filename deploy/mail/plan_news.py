"""What is written of plans and of moves: one letter where one brings the other.

A plan of another tier has the rows move, some seconds later as a rule. Its letter waits for the
receipt and goes with it; if the move takes its time, or fails, it goes alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

import msgspec
from msgspec.structs import replace

from billing.life_words import Basis
from deploy.mail.told import PLACES, Told, lasting
from router.catalog.letters import Letter
from router.words import Limits, Tier
from web.rendering import number, size

PLAN: Final = "plan"
MOVE: Final = "move"
#: How long a plan's letter waits for the move that the plan brings.
MOVE_WAIT: Final = timedelta(minutes=5)
_WHY: Final = {
    Basis.CONTRACT: "That is what was agreed with our staff.",
    Basis.SUBSCRIPTION: "That is what your subscription is for.",
    Basis.PAID: "That is what is paid for.",
    Basis.NOTHING: "What was paid for has ended; nothing was deleted.",
}


class _Plan(msgspec.Struct, frozen=True, kw_only=True, rename={"source": "from", "target": "to"}):
    source: str
    target: str
    basis: Basis
    limits: Limits
    limits_before: Limits
    lacks: tuple[str, ...] = ()
    moves_to: Tier | None = None


class _Switch(msgspec.Struct, frozen=True, kw_only=True, rename={"source": "from", "target": "to"}):
    source: str
    target: str
    pause_ms: float | None


def plan_changed(payload: Mapping[str, object]) -> Told:
    """Tell what holds now, why, and whether the rows move."""
    plan = msgspec.convert(payload, _Plan)
    values = {
        "plan": plan.target,
        "before": plan.source,
        "why": _WHY[plan.basis],
        "gives": _gives(plan.limits, plan.limits_before),
        "lacks": "; ".join(plan.lacks),
        "place": "" if plan.moves_to is None else PLACES[plan.moves_to],
        "pause": "",
    }
    wait = timedelta() if plan.moves_to is None else MOVE_WAIT
    return Told(kind=PLAN, values=values, page="/billing", wait=wait)


def moved(payload: Mapping[str, object]) -> Told | None:
    """Give the receipt of a move."""
    return _switched(MOVE, payload)


def moved_back(payload: Mapping[str, object]) -> Told | None:
    """Tell that a move was undone."""
    return _switched("move_undone", payload)


def together(written: Sequence[Letter], waiting: Mapping[str, Mapping[str, str]]) -> list[Letter]:
    """Have one letter instead of two: ``waiting`` is what letters of a plan say, by address."""
    joined = (_joined(letter, waiting.get(letter.recipient)) for letter in written)
    return [letter for letter in joined if letter is not None]


def _joined(letter: Letter, said: Mapping[str, str] | None) -> Letter | None:
    if said is None:
        return letter
    if letter.kind == MOVE:
        arrived = {"place": letter.values["target"], "pause": letter.values["pause"]}
        return replace(letter, kind=PLAN, values={**said, **arrived})
    # Two changes at a stroke are one; back to where it was, they are none.
    if said["before"] == letter.values["plan"]:
        return None
    return replace(letter, values={**letter.values, "before": said["before"]})


def _switched(kind: str, payload: Mapping[str, object]) -> Told | None:
    """Tell of a move to another tier; one to another server changes nothing that people see."""
    switch = msgspec.convert(payload, _Switch)
    source, target = (PLACES.get(each.split()[0]) for each in (switch.source, switch.target))
    if source is None or target is None or source == target:
        return None
    if kind == "move_undone":
        source, target = target, source
    values = {"source": source, "target": target, "pause": lasting(switch.pause_ms)}
    return Told(kind=kind, values=values, page="")


def _gives(now: Limits, before: Limits) -> str:
    """Name what a plan allows, each with what it was where that differs."""
    told = (
        ("API calls a month", number(now.api_calls_per_month), number(before.api_calls_per_month)),
        ("seats", number(now.seats), number(before.seats)),
        ("storage", size(now.storage_bytes), size(before.storage_bytes)),
    )
    return "; ".join(
        f"{name}: {value}" if value == old else f"{name}: {value} (before: {old})"
        for name, value, old in told
    )
