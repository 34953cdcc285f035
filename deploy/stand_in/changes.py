"""What a change of a subscription's items costs: arithmetic on facts, no clock, no store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import StrEnum

import msgspec
from msgspec import Struct

from deploy.stand_in.money import multiplied, prorated
from deploy.stand_in.objects import Price, Recurring
from deploy.stand_in.periods import end_of_period
from deploy.stand_in.problems import Refused
from deploy.stand_in.subscription_objects import Period, SubscriptionItem


class Cause(StrEnum):
    """Why a line is on an invoice."""

    PERIOD = "period"
    USAGE = "usage"
    UNUSED = "unused"
    REMAINING = "remaining"


class Draft(Struct, frozen=True, kw_only=True):
    """A line before it is on an invoice. ``quantity`` counts units, or what a meter counted."""

    cause: Cause
    amount: int
    item: SubscriptionItem
    quantity: int
    period: Period

    @property
    def is_proration(self) -> bool:
        """Say whether the line is for a part of a period."""
        return self.cause in {Cause.UNUSED, Cause.REMAINING}


class Wanted(Struct, frozen=True, kw_only=True):
    """What is asked of one item: ``id`` names one that is there, None a new one."""

    id: str | None
    price: Price | None
    quantity: int | None
    is_deleted: bool = False


class Change(Struct, frozen=True, kw_only=True):
    """A subscription's new items, and what that costs. ``is_reset``: a new period begins now."""

    items: tuple[SubscriptionItem, ...]
    drafts: tuple[Draft, ...]
    is_reset: bool


def recurring(price: Price) -> Recurring:
    """Return how often a price recurs; raises Refused for one that doesn't."""
    if price.recurring is None:
        raise Refused(
            f"The price specified is set to `type=one_time` but this field only accepts prices "
            f"with `type=recurring`: {price.id}",
            param="items[0][price]",
        )
    return price.recurring


def is_metered(item: SubscriptionItem) -> bool:
    """Say whether a meter counts what is charged."""
    return recurring(item.price).usage_type == "metered"


def cost(price: Price, quantity: int) -> int:
    """Return what so many units cost for a whole period."""
    return multiplied(Decimal(price.unit_amount_decimal), quantity)


def with_period(
    items: tuple[SubscriptionItem, ...], start: int, end: int
) -> tuple[SubscriptionItem, ...]:
    """Move items to another period."""
    return tuple(
        msgspec.structs.replace(item, current_period_start=start, current_period_end=end)
        for item in items
    )


def period_from(items: tuple[SubscriptionItem, ...], *, anchor: int, start: int) -> int:
    """Return the end of the period that begins at ``start``."""
    every = recurring(items[0].price)
    return end_of_period(anchor, start, interval=every.interval, count=every.interval_count)


def for_period(items: tuple[SubscriptionItem, ...]) -> tuple[Draft, ...]:
    """Charge each item for its current period, in advance; what a meter counts comes after it."""
    return tuple(
        Draft(
            cause=Cause.PERIOD,
            amount=cost(item.price, item.quantity or 0),
            item=item,
            quantity=item.quantity or 0,
            period=Period(start=item.current_period_start, end=item.current_period_end),
        )
        for item in items
        if not is_metered(item)
    )


def for_usage(items: tuple[SubscriptionItem, ...], counted: Mapping[str, int]) -> tuple[Draft, ...]:
    """Charge what the meters counted in the current period, once it is over."""
    return tuple(
        Draft(
            cause=Cause.USAGE,
            amount=cost(item.price, counted[item.id]),
            item=item,
            quantity=counted[item.id],
            period=Period(start=item.current_period_start, end=item.current_period_end),
        )
        for item in items
        if item.id in counted
    )


def prorations(
    before: tuple[SubscriptionItem, ...], after: tuple[SubscriptionItem, ...], *, now: int
) -> tuple[Draft, ...]:
    """Credit what is left of the old items, charge what is left of the new ones, by the second."""
    old = {item.id: item for item in before}
    new = {item.id: item for item in after}
    return tuple(
        draft
        for id in dict.fromkeys((*old, *new))  # noqa: A001 - an item's id
        if not _same(old.get(id), new.get(id))
        for draft in (
            *_part(old.get(id), Cause.UNUSED, now=now),
            *_part(new.get(id), Cause.REMAINING, now=now),
        )
    )


def _same(old: SubscriptionItem | None, new: SubscriptionItem | None) -> bool:
    return (
        old is not None
        and new is not None
        and (old.price.id, old.quantity) == (new.price.id, new.quantity)
    )


def _part(item: SubscriptionItem | None, cause: Cause, *, now: int) -> Iterator[Draft]:
    if item is None or is_metered(item):
        return
    quantity = item.quantity or 0
    part = prorated(
        cost(item.price, quantity),
        left_s=item.current_period_end - now,
        whole_s=item.current_period_end - item.current_period_start,
    )
    yield Draft(
        cause=cause,
        amount=-part if cause is Cause.UNUSED else part,
        item=item,
        quantity=quantity,
        period=Period(start=now, end=item.current_period_end),
    )


def reset(items: tuple[SubscriptionItem, ...], *, now: int) -> tuple[SubscriptionItem, ...]:
    """Begin a new period now."""
    return with_period(items, now, period_from(items, anchor=now, start=now))


def is_other_interval(
    before: tuple[SubscriptionItem, ...], after: tuple[SubscriptionItem, ...]
) -> bool:
    """Say whether the items are charged in another rhythm than before."""
    old, new = recurring(before[0].price), recurring(after[0].price)
    return (old.interval, old.interval_count) != (new.interval, new.interval_count)


def check_together(items: tuple[SubscriptionItem, ...]) -> None:
    """Refuse items that can't be on one subscription."""
    if not items:
        raise Refused("Subscription must have at least one active item.", param="items")
    if len({item.price.currency for item in items}) > 1:
        raise Refused("All prices on a subscription must have the same currency.", param="items")
    rhythms = {
        (recurring(item.price).interval, recurring(item.price).interval_count) for item in items
    }
    if len(rhythms) > 1:
        raise Refused(
            "All prices on a subscription must have the same `recurring.interval` and "
            "`recurring.interval_count`.",
            param="items",
        )
    if len({item.price.id for item in items}) < len(items):
        raise Refused("A price may be on a subscription only once.", param="items")
