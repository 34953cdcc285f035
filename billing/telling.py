"""Verdicts as sentences for the people of a tenant: what happens, on which day, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing.life_words import Basis, Cause, Notice
from router.words import Standing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from billing.life_words import Misfit, Verdict

READ_ONLY = "read_only"
PLAN_ENDS = "plan_ends"
PLAN_LEFT = "plan_left"
#: Those that hold as long as each verdict says them again.
LASTING = (*Cause, READ_ONLY, PLAN_ENDS)

_CAUSES = {
    Cause.OVERDUE: "A payment for your plan has failed.",
    Cause.STOPPED: "Your plan is no longer paid for.",
    Cause.STORAGE: "You store more than your plan allows.",
}
_REMEDIES = {
    Cause.OVERDUE: "Pay the open invoice or change the card in the billing portal",
    Cause.STOPPED: "Pay the open invoice or add a card in the billing portal",
    Cause.STORAGE: "Delete what you don't need or choose a larger plan",
}
#: What is left to do once nothing can be written, deletions included.
_REMEDIES_LATE = {**_REMEDIES, Cause.STORAGE: "Choose a larger plan, or ask support for some days"}


def tell(verdict: Verdict, *, plan_before: str, is_lower: bool, now: datetime) -> list[Notice]:
    """Return what is to be told of a verdict. Told twice, the same topics come again."""
    said = [*_of_standing(verdict), *_of_ending(verdict)]
    if plan_before != verdict.plan and (is_lower or verdict.misfits):
        said.append(_of_change(verdict, plan_before=plan_before, now=now))
    return said


def day(at: datetime) -> str:
    """Write a date as people read it."""
    return f"{at.day} {at:%B %Y}"


def _of_standing(verdict: Verdict) -> list[Notice]:
    cause, until = verdict.cause, verdict.standing_until
    if cause is None:
        return []
    assert until is not None, "whoever isn't in good standing was given a date"
    about = verdict.subscription_id or verdict.plan
    topic = f"{about}:{until.isoformat()}"
    warning = Notice(
        kind=cause.value,
        topic=topic,
        said=f"{_CAUSES[cause]} {_REMEDIES[cause]} by {day(until)}: from then on your rows can be "
        "read and not changed.",
        due_at=until,
        detail={"plan": verdict.plan, "subscription": verdict.subscription_id},
    )
    if verdict.standing is not Standing.READ_ONLY:
        return [warning]
    said = f"{_CAUSES[cause]} Since {day(until)} your rows can be read and not changed. "
    closed = Notice(kind=READ_ONLY, topic=topic, said=f"{said}{_REMEDIES_LATE[cause]}.")
    return [warning, closed]


def _of_ending(verdict: Verdict) -> list[Notice]:
    ending = verdict.ending
    if ending is None:
        return []
    about = verdict.subscription_id if verdict.basis is Basis.SUBSCRIPTION else verdict.basis.value
    notice = Notice(
        kind=PLAN_ENDS,
        topic=f"{about}:{ending.at.isoformat()}",
        said=f"Your plan {verdict.plan} ends on {day(ending.at)}; from then on you have "
        f"{ending.plan}.{_listed(ending.misfits)}",
        due_at=ending.at,
        detail={"plan": ending.plan, "misfits": [misfit.metric for misfit in ending.misfits]},
    )
    return [notice]


def _of_change(verdict: Verdict, *, plan_before: str, now: datetime) -> Notice:
    return Notice(
        kind=PLAN_LEFT,
        topic=f"{plan_before}:{verdict.plan}:{now.isoformat()}",
        said=f"Your plan is {verdict.plan} now, it was {plan_before}. Nothing was deleted."
        f"{_listed(verdict.misfits)}",
        detail={
            "from": plan_before,
            "to": verdict.plan,
            "misfits": [misfit.metric for misfit in verdict.misfits],
        },
    )


def _listed(misfits: Sequence[Misfit]) -> str:
    if not misfits:
        return ""
    return f" It has no room for: {'; '.join(misfit.said for misfit in misfits)}."
