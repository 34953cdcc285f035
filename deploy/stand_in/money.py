"""Amounts in minor units, as arithmetic on whole numbers: nothing here reads a clock."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal


def prorated(amount: int, *, left_s: int, whole_s: int) -> int:
    """Return the part of an amount that falls on the seconds left; a half cent rounds away from 0.

    A period of no seconds has nothing left of it.
    """
    if whole_s <= 0 or left_s <= 0:
        return 0
    left_s = min(left_s, whole_s)
    sign = -1 if amount < 0 else 1
    return sign * ((2 * abs(amount) * left_s + whole_s) // (2 * whole_s))


def multiplied(unit_amount: Decimal, quantity: int) -> int:
    """Return what so many units cost; a unit may cost a part of a cent, a line doesn't."""
    return int((unit_amount * quantity).quantize(Decimal(1), rounding=ROUND_HALF_UP))
