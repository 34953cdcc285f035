"""The shipped plans, with room for tests that hurry: a crowd's second is a customer's month."""

from __future__ import annotations

import msgspec

from billing.price_list import read_price_list
from router.words import Plan

ROOM = 10**9


def roomy_plans() -> tuple[Plan, ...]:
    """Return the shipped plans; calls are counted, and never too many."""
    return tuple(
        msgspec.structs.replace(
            plan,
            limits=msgspec.structs.replace(
                plan.limits,
                api_calls_per_month=ROOM,
                requests_per_second=ROOM,
                requests_at_once=ROOM,
            ),
        )
        for plan in read_price_list()
    )
