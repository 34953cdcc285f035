"""Why a migration may not go on as it is: its revisions do harm, or aren't what ran before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from migrations.lint import lint
from router.catalog.wave_words import Direction
from router.errors import Unprocessable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from migrations.waves.chain import Chain
    from migrations.waves.plan import Entry

FINDINGS_MAX = 5


def refusal(chain: Chain, entries: Iterable[Entry], *, ran: Mapping[str, str]) -> str | None:
    """Say why nothing may be begun; None where everything may.

    ``ran`` are the revisions that ran somewhere. What would run nowhere isn't looked at: places
    that have it already have to live with it.
    """
    edited = chain.edited(ran)
    if edited:
        return told_edited(edited)
    names = {name for each in entries if each.waits_for is None for name in each.to_do}
    return None if chain.direction is Direction.DOWN else _told_harm(chain, names)


def check(chain: Chain, source: str, *, ran: Mapping[str, str]) -> None:
    """Raise Unprocessable where a migration from a revision would be refused once it begins."""
    reason = told_edited(edited) if (edited := chain.edited(ran)) else None
    if reason is None and chain.direction is Direction.UP:
        reason = _told_harm(chain, chain.between(source))
    if reason is not None:
        raise Unprocessable(reason)


def _told_harm(chain: Chain, names: Iterable[str]) -> str | None:
    """Say what the linter finds in revisions; None where it finds nothing."""
    wanted = {*names}
    findings = lint(chain.rendered, only=wanted) if wanted else ()
    if not findings:
        return None
    lines = [str(each) for each in findings[:FINDINGS_MAX]]
    if len(findings) > FINDINGS_MAX:
        lines.append(f"and {len(findings) - FINDINGS_MAX} more: `stepwell migrate lint` tells them")
    return "the revisions can't be run beside customers: " + "; ".join(lines)


def told_edited(edited: Iterable[str]) -> str:
    """Say which revisions aren't what they were when they ran."""
    names = ", ".join(edited)
    return (
        f"{names} was edited after it ran somewhere: take the edit back, and write what it was to "
        "do as the next revision"
    )
