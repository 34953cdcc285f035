"""How a subscription's items become the lines that are wanted instead: pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from billing.seen import Line, SeenItem


class ItemChange(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of one item. Without ``id`` it is a new one, without ``price_id`` it goes."""

    id: str | None
    price_id: str | None
    quantity: int | None = None


def item_changes(items: Sequence[SeenItem], lines: Sequence[Line]) -> tuple[ItemChange, ...]:
    """Keep items whose price stays, give others their new price in place, drop what is left.

    An item whose price changes in place keeps its period, so that the provider credits what is
    left of it. What is counted by usage has no quantity, and no licensed item turns into it.
    """
    wanted = list(lines)
    changes: list[ItemChange] = []
    left: list[SeenItem] = []
    for item in items:
        if (same := _first(wanted, price_id=item.price_id)) is None:
            left.append(item)
            continue
        wanted.remove(same)
        changes.append(_change(item.id, same))
    for item in left:
        if (other := _first(wanted, is_counted=item.quantity is None)) is None:
            changes.append(ItemChange(id=item.id, price_id=None))
            continue
        wanted.remove(other)
        changes.append(_change(item.id, other))
    return (*changes, *(_change(None, line) for line in wanted))


def _first(
    lines: Sequence[Line], *, price_id: str | None = None, is_counted: bool | None = None
) -> Line | None:
    for line in lines:
        if price_id in {None, line.price_id} and is_counted in {None, line.quantity is None}:
            return line
    return None


def _change(item_id: str | None, line: Line) -> ItemChange:
    return ItemChange(id=item_id, price_id=line.price_id, quantity=line.quantity)
