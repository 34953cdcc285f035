"""The front desk: what people ask of billing, passed on to the provider, who takes the money.

Nothing here changes a tenant's plan: whatever the provider makes of a request comes back as what
the syncer sees. Without a provider, plans are given away, as an installation of one's own may.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import msgspec
import structlog

from billing import accounts, inbox, life, prices, verdicts
from billing.current import Current, current
from billing.foreseeing import Bargain, first_cost
from billing.provider import Purchase
from billing.seen import Charge, Interval
from billing.sweep import Sweep
from billing.sync import Syncer
from router.api.parts import BillingTold
from router.errors import Conflict, NotFound, PlatformError, Unprocessable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from billing.life_words import Account
    from billing.policy import BillingPolicy
    from billing.price_list import ListedPlan
    from billing.prices import PriceBook
    from billing.provider import Provider
    from billing.seen import Line, Preview, SeenSubscription
    from billing.sweep import Report
    from router.api.parts import AgreedPlan
    from router.catalog import Catalog
    from router.connect import Connection
    from router.words import Tenant

_log = structlog.get_logger("stepwell.billing")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody would buy; ``seats`` None is what the plan includes."""

    plan: str
    interval: Interval = Interval.MONTH
    seats: int | None = None


class Desk:
    """One for each gateway. ``site`` is the platform's own address, where payers come back to."""

    def __init__(
        self,
        catalog: Catalog,
        provider: Provider | None,
        policy: BillingPolicy,
        *,
        listed: Sequence[ListedPlan],
        site: str,
    ) -> None:
        self.catalog = catalog
        self.listed = {plan.name: plan for plan in listed}
        self._provider = provider
        self.policy = policy
        self._site = site

    @property
    def provider(self) -> Provider:
        """Who takes the money; raises NotFound where nobody does."""
        if self._provider is None:
            raise NotFound(
                "this installation takes no payments: its operators change plans, or set "
                "STEPWELL_STRIPE_API_KEY"
            )
        return self._provider

    @property
    def is_open(self) -> bool:
        """Whether anybody takes the money."""
        return self._provider is not None

    async def close(self) -> None:
        """Let go of connections."""
        if self._provider is not None:
            await self._provider.close()

    # Sign-up and operators ----------------------------------------------------------------

    def is_bought(self, plan: str) -> bool:
        """Whether a plan has to be paid for before it is granted."""
        listed = self.listed.get(plan)
        return self.is_open and listed is not None and _costs(listed)

    async def first_checkout_url(self, tenant: Tenant, *, email: str, plan: str) -> str | None:
        """Return where a new tenant buys its plan; None where the provider has no page for it.

        The tenant is there by then, so nothing that is wrong there undoes the sign-up.
        """
        try:
            wanted = Wanted(plan=plan)
            return await self.checkout_url(tenant, wanted, email=email, key=f"sign-up {tenant.id}")
        except PlatformError as error:
            _log.warning("no checkout at sign-up", tenant=str(tenant.id), reason=error.detail)
            return None

    async def told(self, tenant: Tenant) -> BillingTold:
        """Say what a tenant's plan rests on, beside what it bought."""
        shown = await self.shown(tenant)
        bought = shown.subscription
        return BillingTold(
            basis=shown.basis.value,
            customer_id=shown.customer_id,
            bought_plan=bought.plan if bought else None,
            subscription=bought.id if bought else None,
            subscription_status=bought.status.value if bought else None,
            seen_at=shown.seen_at,
            is_behind=shown.is_behind,
            problem=shown.problem,
            error=shown.error,
        )

    async def agree(self, connection: Connection, tenant: Tenant, agreed: AgreedPlan) -> None:
        """Give a tenant what was agreed, in the transaction that records who agreed it."""
        await accounts.set_contract(
            connection, tenant.id, plan=agreed.plan, reason=agreed.reason, until=agreed.until
        )

    # Buying -------------------------------------------------------------------------------

    async def checkout_url(self, tenant: Tenant, wanted: Wanted, *, email: str, key: str) -> str:
        """Return where the tenant buys a plan; raises Conflict where it pays for one already."""
        provider, lines = self.provider, await self._lines(wanted)
        customer_id = await accounts.ensure_customer(self.catalog, provider, tenant, email)
        await self._account(tenant)
        live = await self._live(tenant, customer_id)
        if live is not None:
            raise Conflict(
                f"tenant {tenant.slug} has a subscription already ({live.status.value}): change "
                "it with POST /api/billing/change"
            )
        purchase = Purchase(
            tenant_id=tenant.id,
            customer_id=customer_id,
            lines=lines,
            success_url=self._return_url(tenant, "paid", plan=wanted.plan),
            cancel_url=self._return_url(tenant, "left", plan=wanted.plan),
            trial_days=self.listed[wanted.plan].trial_days,
        )
        return await provider.checkout(purchase, key=key)

    async def portal_url(self, tenant: Tenant) -> str:
        """Return where the tenant's people change, pay and cancel at the provider's."""
        provider = self.provider
        async with self.catalog.connection() as connection:
            account = await accounts.get(connection, tenant.id)
        if account is None or account.customer_id is None:
            raise _bought_nothing(tenant)
        return_url = self._return_url(tenant, "back")
        return await provider.portal(account.customer_id, return_url=return_url)

    async def preview(self, tenant: Tenant, wanted: Wanted) -> Preview:
        """Say what a change would cost now and at the next invoice."""
        provider, lines = self.provider, await self._lines(wanted)
        live = await self._subscription(tenant)
        return await provider.preview(live.id, lines)

    async def foresee(self, tenant: Tenant, wanted: Wanted) -> Bargain:
        """Say what a plan would cost and give, whether it is the first one or another one."""
        provider, lines = self.provider, await self._lines(wanted)
        listed = self.listed[wanted.plan]
        async with self.catalog.connection() as connection:
            account = await accounts.get(connection, tenant.id)
            used = await verdicts.read_used(connection, tenant.id)
            offer = await verdicts.read_offer(connection, provider.name, tenant.id)
        live = None
        if account is not None:
            _check_free(tenant, account)
            if account.customer_id is not None:
                live = await self._live(tenant, account.customer_id)
        if live is None:
            now, seats = datetime.now(UTC), wanted.seats or 1
            cost = first_cost(listed, wanted.interval, seats=seats, now=now)
        else:
            cost = await provider.preview(live.id, lines)
        limits = offer.limits(wanted.plan)
        return Bargain(
            plan=listed.name,
            title=listed.title,
            interval=wanted.interval,
            is_first=live is None,
            is_held=live is not None and _is_for(live, lines),
            trial_days=listed.trial_days if live is None else None,
            cost=cost,
            limits=limits,
            misfits=life.fit(used, limits),
        )

    async def change(self, tenant: Tenant, wanted: Wanted, *, key: str) -> None:
        """Have the tenant's subscription be for other prices."""
        provider, lines = self.provider, await self._lines(wanted)
        live = await self._subscription(tenant)
        await provider.change(live.id, lines, key=key)

    async def cancel(self, tenant: Tenant, *, key: str) -> None:
        """End the tenant's subscription when what it paid for ends."""
        provider, live = self.provider, await self._subscription(tenant)
        await provider.cancel(live.id, key=key)

    async def resume(self, tenant: Tenant, *, key: str) -> None:
        """Take back a cancellation that is still to come."""
        provider, live = self.provider, await self._subscription(tenant)
        if live.cancel_at is None:
            raise Conflict(f"the subscription of {tenant.slug} isn't cancelled: it goes on anyway")
        await provider.resume(live.id, key=key)

    # The provider's events ----------------------------------------------------------------

    async def take(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Store one event in one statement; returns whether it is new."""
        event = self.provider.verify(body, headers)
        async with self.catalog.connection() as connection:
            stored = await inbox.store(connection, self.provider.name, event)
        return stored.is_new

    async def compare(self) -> Report:
        """Compare every account with the provider's, and repair what differs."""
        return await Sweep(self.catalog, self.provider, self.policy, self._syncer()).run()

    async def shown(self, tenant: Tenant) -> Current:
        """Say what holds of a tenant, as we saw it last."""
        async with self.catalog.connection() as connection:
            found = await current(connection, tenant, policy=self.policy)
        return msgspec.structs.replace(found, takes_payments=self.is_open)

    async def sync(self, tenant: Tenant) -> None:
        """Ask the provider about a tenant that is behind; a worker does it where we can't."""
        await self._syncer().sync(tenant.id)

    async def book(self) -> PriceBook:
        """Read the provider's prices as the catalog knows them."""
        async with self.catalog.connection() as connection:
            return await prices.read_book(connection, self.provider.name)

    async def _lines(self, wanted: Wanted) -> tuple[Line, ...]:
        listed = self.listed.get(wanted.plan)
        if listed is None or not _costs(listed):
            sold = ", ".join(plan.name for plan in self.listed.values() if _is_sold(plan))
            raise Unprocessable(f"nobody buys the plan {wanted.plan[:40]!r}: choose one of {sold}")
        if listed.is_contract:
            raise Unprocessable(f"the plan {wanted.plan} is made with you: ask sales")
        book = await self.book()
        return book.lines_for(wanted.plan, wanted.interval, seats=wanted.seats or 1)

    async def _account(self, tenant: Tenant) -> Account:
        async with self.catalog.connection() as connection:
            account = await accounts.get(connection, tenant.id)
        if account is None:
            raise _bought_nothing(tenant)
        _check_free(tenant, account)
        return account

    async def _subscription(self, tenant: Tenant) -> SeenSubscription:
        account = await self._account(tenant)
        if account.customer_id is None:
            raise _bought_nothing(tenant)
        live = await self._live(tenant, account.customer_id)
        if live is None:
            raise Conflict(f"tenant {tenant.slug} has no subscription: check out first")
        return live

    async def _live(self, tenant: Tenant, customer_id: str) -> SeenSubscription | None:
        """Ask for the subscription by which the tenant is judged: what we remember may be old."""
        seen = await self.provider.look(customer_id)
        async with self.catalog.connection() as connection:
            offer = await verdicts.read_offer(connection, self.provider.name, tenant.id)
        return life.governing(seen, offer)

    def _syncer(self) -> Syncer:
        return Syncer(self.catalog, self.provider, self.policy)

    def _return_url(self, tenant: Tenant, how: str, *, plan: str = "") -> str:
        told = urlencode({"checkout": how, "plan": plan})
        return f"{self._site}/w/{tenant.slug}/upgrade/return?{told}"


def _costs(listed: ListedPlan) -> bool:
    return any(price.charge is Charge.PLAN and price.amount > 0 for price in listed.price)


def _is_sold(listed: ListedPlan) -> bool:
    return _costs(listed) and not listed.is_contract


def _check_free(tenant: Tenant, account: Account) -> None:
    if account.contract is not None:
        raise Conflict(
            f"what tenant {tenant.slug} pays for is agreed by contract, which stands over "
            "what it buys: ask sales"
        )


def _is_for(live: SeenSubscription, lines: Sequence[Line]) -> bool:
    held = {(item.price_id, item.quantity) for item in live.items}
    return held == {(line.price_id, line.quantity) for line in lines}


def _bought_nothing(tenant: Tenant) -> Conflict:
    return Conflict(f"tenant {tenant.slug} has bought nothing yet: check out first")
