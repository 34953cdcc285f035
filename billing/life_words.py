"""The words in which a tenant's billing is judged: what is held, what is known, what follows."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from billing.seen import Seen, SeenItem, SeenSubscription
from router.words import Limits, Plan, Standing, TenantId


class Cause(StrEnum):
    """Why a tenant isn't in good standing."""

    #: A payment failed, and the provider still tries.
    OVERDUE = "payment_overdue"
    #: The provider has given up, or was never given a way to charge.
    STOPPED = "payment_stopped"
    #: A larger plan was left, and what is stored is more than the one that holds now has.
    STORAGE = "storage_over"

    @property
    def is_debt(self) -> bool:
        """Whether a payment ends it."""
        return self is not Cause.STORAGE


class Basis(StrEnum):
    """What a tenant's plan rests on."""

    CONTRACT = "contract"
    SUBSCRIPTION = "subscription"
    #: The subscription has ended, what was paid for hasn't.
    PAID = "paid_period"
    NOTHING = "nothing"


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """A plan that sales ops agreed: it stands over what is bought by subscription."""

    plan: str
    reason: str
    until: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it has not ended."""
        return self.until is None or now < self.until


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's account as catalog.billing holds it. ``synced`` behind ``dirty``: ask again."""

    tenant_id: TenantId
    provider: str
    customer_id: str | None = None
    dirty: int = 0
    synced: int = 0
    seen: Seen | None = None
    seen_at: datetime | None = None
    contract: Contract | None = None
    #: Whether the tenant ever had more than its sign-up gave it.
    has_bought: bool = False
    standing: Standing = Standing.GOOD
    standing_since: datetime
    standing_until: datetime | None = None
    cause: Cause | None = None
    problem: str | None = None
    attempts: int = 0
    error: str | None = None

    @property
    def contract_plan(self) -> str | None:
        """The plan that was agreed."""
        return None if self.contract is None else self.contract.plan

    def clock(self, now: datetime) -> datetime:
        """Tell what time it is for the provider, which may run ahead on a test clock."""
        if self.seen is None or self.seen_at is None:
            return now
        return self.seen.at + (now - self.seen_at)


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant takes up of what a plan may limit."""

    seats: int = 0
    storage_bytes: int = 0
    features: tuple[str, ...] = ()


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What we hold of a tenant before it is judged."""

    account: Account
    plan: str
    used: Used = Used()


class Book(Protocol):
    """Every price that ever led to a plan."""

    def plan_of(self, item: SeenItem) -> str | None:
        """Return the plan that an item buys; None for a price that no list has."""
        ...


class Offer(msgspec.Struct, frozen=True, kw_only=True):
    """What can be bought: the plans from the smallest up, with what one tenant was given beyond."""

    plans: tuple[Plan, ...]
    book: Book

    def rank(self, plan: str) -> int:
        """Tell which of two plans is the larger one."""
        return next(n for n, each in enumerate(self.plans) if each.name == plan)

    def has(self, plan: str) -> bool:
        """Whether there is such a plan."""
        return any(each.name == plan for each in self.plans)

    def limits(self, plan: str) -> Limits:
        """Return what a plan allows."""
        return self.plans[self.rank(plan)].limits

    def plan_of(self, subscription: SeenSubscription) -> str | None:
        """Return the largest plan that one of its items buys."""
        found = {self.book.plan_of(item) for item in subscription.items} - {None}
        known = [plan for plan in found if plan is not None and self.has(plan)]
        return max(known, key=self.rank, default=None)


class Misfit(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a tenant has and that a plan has no room for."""

    metric: str
    said: str


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """The plan is going to be another one on a known day."""

    plan: str
    at: datetime
    misfits: tuple[Misfit, ...] = ()


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant's people are told. The same topic again is the same notice."""

    kind: str
    topic: str
    said: str
    due_at: datetime | None = None
    detail: dict[str, object] = {}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant may have and do, why, until when, and what its people are to be told."""

    plan: str
    basis: Basis
    standing: Standing
    standing_until: datetime | None = None
    cause: Cause | None = None
    subscription_id: str | None = None
    misfits: tuple[Misfit, ...] = ()
    ending: Ending | None = None
    #: An alert for operators: what keeps the tenant from equalling the provider.
    problem: str | None = None
    has_bought: bool = False
    #: When time alone makes the next verdict another one, by the clock of this one.
    judge_at: datetime | None = None
    notices: tuple[Notice, ...] = ()
