"""What a plan would cost and bring, before anybody pays: the first plan, or another one."""

from __future__ import annotations

import asyncio
import calendar
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from billing.life_words import Misfit
from billing.seen import Charge, Interval, Preview, PreviewLine
from router.catalog import moves
from router.catalog.moves import By, Goal
from router.errors import PlatformError
from router.words import Limits, Tier

if TYPE_CHECKING:
    from billing.price_list import ListedPlan
    from router.api.errand import MemberErrand

#: A page waits no longer for rows to be counted: then nobody says how long a move would take.
COUNT_S_MAX: Final = 2.0
_MONTHS: Final = {Interval.MONTH: 1, Interval.YEAR: 12}
_MONTHS_A_YEAR: Final = 12


class Bargain(msgspec.Struct, frozen=True, kw_only=True):
    """What is paid for what. ``is_first``: nothing is bought yet, so the provider's page follows.

    ``is_held``: it is what there is already, so nothing would change. Amounts are those of the
    price list: taxes, where some are due, come on top of a first one.
    """

    plan: str
    title: str
    interval: Interval
    is_first: bool
    is_held: bool
    trial_days: int | None
    cost: Preview
    limits: Limits
    misfits: tuple[Misfit, ...]


class MoveForeseen(msgspec.Struct, frozen=True, kw_only=True):
    """The rows move by themselves once it is paid. Null is what nobody can tell now."""

    tier: Tier
    pause_ms: float | None
    duration_s: float | None
    rows: int | None


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """A bargain with the move that it brings; null where the rows stay where they are."""

    bargain: Bargain
    move: MoveForeseen | None


def first_cost(listed: ListedPlan, interval: Interval, *, seats: int, now: datetime) -> Preview:
    """Reckon a first purchase by the price list; what is charged by usage comes later."""
    prices = [price for price in listed.price if price.interval is interval]
    counts = {Charge.PLAN: 1, Charge.SEAT: seats, Charge.USAGE: 0}
    lines = tuple(
        PreviewLine(
            said=_line(listed.title, price.charge, interval, count=counts[price.charge]),
            amount=price.amount * counts[price.charge],
            is_proration=False,
        )
        for price in prices
        if price.charge is not Charge.USAGE
    )
    total = sum(line.amount for line in lines)
    trial_days = listed.trial_days or 0
    after_trial = now + timedelta(days=trial_days)
    return Preview(
        currency=prices[0].currency,
        due_now=0 if trial_days else total,
        next_invoice=total,
        next_invoice_at=after_trial if trial_days else after(now, interval),
        lines=lines,
    )


def after(start: datetime, interval: Interval) -> datetime:
    """Return when an interval ends: on the same day of its month, or on the last one."""
    months = start.month - 1 + _MONTHS[interval]
    year, month = start.year + months // _MONTHS_A_YEAR, months % _MONTHS_A_YEAR + 1
    last = calendar.monthrange(year, month)[1]
    return start.replace(year=year, month=month, day=min(start.day, last))


async def foresee_move(errand: MemberErrand, tier: Tier) -> MoveForeseen | None:
    """Say what the move to a plan's tier would take, as a dry run of it has it."""
    tenant = errand.tenant
    if tenant.tier in {None, tier} or tenant.pinned_tier is not None:
        return None
    goal = Goal(tenant=str(tenant.id), tier=tier)
    by = By(actor=errand.actor, reason="a preview of a plan", request_id=errand.request_id)
    try:
        async with asyncio.timeout(COUNT_S_MAX):
            told = await errand.parts.promoting.foresee(goal, by)
    except (PlatformError, TimeoutError):
        async with errand.parts.catalog.connection() as connection:
            pause_ms = await moves.usual_pause_ms(connection)
        return MoveForeseen(tier=tier, pause_ms=pause_ms, duration_s=None, rows=None)
    return MoveForeseen(
        tier=tier, pause_ms=told.pause_ms, duration_s=told.duration_s, rows=told.rows
    )


def _line(title: str, charge: Charge, interval: Interval, *, count: int) -> str:
    if charge is Charge.SEAT:
        return f"{count} {'seat' if count == 1 else 'seats'} of {title}, a {interval.value}"
    return f"{title}, a {interval.value}"
