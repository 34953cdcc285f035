"""What a test of the pure judge needs: an offer, and what a provider could say."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from billing.life_words import Account, Cause, Contract, Held, Misfit, Offer, Used, Verdict
from billing.policy import BillingPolicy
from billing.price_list import listed_plans
from billing.seen import (
    Seen,
    SeenInvoice,
    SeenItem,
    SeenSubscription,
    SubscriptionStatus,
)
from router.words import Standing

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
TENANT = UUID("11111111-1111-4111-8111-111111111111")
POLICY = BillingPolicy()


class ByKey:
    """A book in which each lookup key begins with its plan."""

    def plan_of(self, item: SeenItem) -> str | None:
        key = item.lookup_key or ""
        return key.partition("_")[0] if key.partition("_")[0] in {"pro", "enterprise"} else None


OFFER = Offer(plans=tuple(listed.plan for listed in listed_plans()), book=ByKey())


def subscription(
    key: str = "pro_monthly",
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE,
    *,
    name: str = "sub_1",
    started: timedelta = -DAY,
) -> SeenSubscription:
    return SeenSubscription(
        id=name,
        status=status,
        items=(
            SeenItem(
                id="item_1",
                price_id=f"price_{key}",
                product_id="product",
                lookup_key=key,
                quantity=1,
            ),
        ),
        created_at=NOW + started,
        period_start=NOW + started,
        period_end=NOW + started + 30 * DAY,
    )


def invoice(status: str, *, at: datetime = NOW - DAY) -> SeenInvoice:
    return SeenInvoice(
        id="in_1",
        status=status,
        amount_due=9_900,
        amount_paid=9_900 if status == "paid" else 0,
        currency="usd",
        created_at=at,
        due_at=None,
        url=None,
    )


def seen(*subscriptions: SeenSubscription, invoices: tuple[SeenInvoice, ...] = ()) -> Seen:
    return Seen(
        customer_id="cus_1",
        is_deleted=False,
        tenant_id=TENANT,
        subscriptions=subscriptions,
        invoices=invoices,
        at=NOW,
    )


def held(
    plan: str = "starter",
    *,
    contract: Contract | None = None,
    used: Used | None = None,
    has_bought: bool = False,
) -> Held:
    account = Account(
        tenant_id=TENANT,
        provider="memory",
        customer_id="cus_1",
        contract=contract,
        has_bought=has_bought,
        standing_since=NOW,
    )
    return Held(account=account, plan=plan, used=used or Used())


def after(before: Held, verdict: Verdict, *, now: datetime = NOW) -> Held:
    """Hold what a verdict says, as billing/verdicts.py writes it down."""
    account = before.account
    contract = account.contract
    if contract is not None and not contract.holds(now):
        contract = None
    account = replace(
        account,
        contract=contract,
        has_bought=verdict.has_bought,
        standing=verdict.standing,
        standing_until=verdict.standing_until,
        cause=verdict.cause,
    )
    return replace(before, account=account, plan=verdict.plan)


def warned(before: Held, cause: Cause, until: datetime, standing: Standing) -> Held:
    account = replace(
        before.account, cause=cause, standing=standing, standing_until=until, has_bought=True
    )
    return replace(before, account=account)


def metrics(misfits: tuple[Misfit, ...]) -> list[str]:
    return [misfit.metric for misfit in misfits]
