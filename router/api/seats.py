"""Seats: how many members a plan allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.catalog import members
from router.catalog.usage import SEATS
from router.errors import LimitReached, Reached

if TYPE_CHECKING:
    from router.connect import Connection
    from router.words import Tenant


async def check_seat(connection: Connection, tenant: Tenant, *, upgrade_url: str) -> None:
    """Raise LimitReached when the plan has no seat left; needs a transaction.

    Until that ends nobody else takes a seat, so two at once can't both have the last one.
    """
    limit = tenant.limits.seats
    if limit is None:
        return
    await members.hold_seats(connection, tenant.id)
    used = await members.count(connection, tenant.id)
    if used >= limit:
        raise LimitReached(
            f"all {limit} seats of the plan {tenant.plan} are taken: remove a member, or change "
            "the plan",
            reached=Reached(metric=SEATS, limit=limit, used=used, upgrade_url=upgrade_url),
        )
