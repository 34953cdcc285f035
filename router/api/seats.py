"""Seats: how many members a plan allows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.catalog import members
from router.errors import LimitReached

if TYPE_CHECKING:
    from router.connect import Connection
    from router.words import Tenant


async def check_seat(connection: Connection, tenant: Tenant) -> None:
    """Raise LimitReached when the plan has no seat left."""
    limit = tenant.limits.seats
    if limit is None:
        return
    used = await members.count(connection, tenant.id)
    if used >= limit:
        raise LimitReached(
            f"all {limit} seats of the plan {tenant.plan} are taken: remove a member, or change "
            "the plan"
        )
