"""Contracts: what sales agreed with a tenant, with an invoice at the provider or without one."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from billing import accounts, overrides
from billing.overrides import Grant, LimitChanges
from billing.provider import Agreement
from billing.seen import Interval, SubscriptionStatus
from router.errors import Unprocessable

if TYPE_CHECKING:
    from billing.desk import Desk
    from billing.seen import SeenInvoice
    from router.connect import Connection
    from router.words import Tenant

NET_DAYS = 30
_CHARGED = {SubscriptionStatus.TRIALING, SubscriptionStatus.ACTIVE, SubscriptionStatus.PAST_DUE}


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What was agreed. With an amount (in minor units) the provider sends invoices for it."""

    plan: str
    reason: str
    until: datetime | None = None
    seats: int | None = None
    amount: int | None = None
    currency: str = "usd"
    interval: Interval = Interval.YEAR
    net_days: int = NET_DAYS


async def invoice(
    desk: Desk, tenant: Tenant, terms: Terms, *, key: str, email: str | None = None
) -> SeenInvoice | None:
    """Have the provider invoice what was agreed; returns the first invoice, if there is one yet.

    It goes to ``email``, else to the tenant's first owner. Before anything is recorded, and under a
    key: whoever was broken off in between repeats both.
    """
    if terms.amount is None:
        return None
    if terms.plan not in desk.listed:
        raise Unprocessable(f"there is no plan {terms.plan[:40]!r} in the price list")
    email = email or await accounts.payer_email(desk.catalog, tenant.id)
    customer_id = await accounts.ensure_customer(desk.catalog, desk.provider, tenant, email)
    agreement = Agreement(
        customer_id=customer_id,
        tenant_id=tenant.id,
        product_id=(await desk.book()).product_of(terms.plan),
        currency=terms.currency,
        amount=terms.amount,
        interval=terms.interval.value,
        net_days=terms.net_days,
    )
    first = await desk.provider.agree(agreement, key=key)
    await _end_what_was_bought(desk, customer_id, key=key)
    return first


async def _end_what_was_bought(desk: Desk, customer_id: str, *, key: str) -> None:
    """Cancel what the tenant pays for by card: nobody pays twice beyond the period that is paid."""
    seen = await desk.provider.look(customer_id)
    for each in seen.subscriptions if seen else ():
        if not each.is_invoiced and each.cancel_at is None and each.status in _CHARGED:
            await desk.provider.cancel(each.id, key=f"{key} {each.id}")


async def record(connection: Connection, tenant: Tenant, terms: Terms, *, by: str) -> None:
    """Give the tenant what was agreed, at once; needs the transaction that says who agreed it."""
    await accounts.set_contract(
        connection, tenant.id, plan=terms.plan, reason=terms.reason, until=terms.until
    )
    if terms.seats is not None:
        grant = Grant(
            tenant_id=tenant.id,
            limits=LimitChanges(seats=terms.seats),
            reason=terms.reason,
            made_by=by,
            expires_at=terms.until,
        )
        await overrides.give(connection, grant)
