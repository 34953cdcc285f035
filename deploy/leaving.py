"""Who may leave: nobody whom the payment provider would go on charging."""

from __future__ import annotations

from typing import TYPE_CHECKING

from billing import accounts, life
from router.errors import Conflict

if TYPE_CHECKING:
    from router.catalog import Catalog
    from router.words import Tenant


async def check_leaving(catalog: Catalog, tenant: Tenant) -> None:
    """Raise Conflict where a subscription goes on, as far as we saw it last."""
    async with catalog.connection() as connection:
        account = await accounts.get(connection, tenant.id)
    live = None if account is None else life.governing(account.seen)
    if live is not None and live.cancel_at is None:
        raise Conflict(
            f"tenant {tenant.slug} has the subscription {live.id}, which would go on being "
            "charged: cancel it first"
        )
