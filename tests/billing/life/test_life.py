"""Any life of a subscription, over the pure judge and an account in memory."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import ClassVar, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test
from msgspec.structs import replace

from billing.life import judge
from billing.life_words import Basis, Cause, Contract, Notice, Used, Verdict
from billing.seen import Seen, SubscriptionStatus
from router.words import Standing
from tests.billing.life.plays import OFFER, POLICY, TENANT, after, held
from tests.billing.life.rules import CustomerRules
from tests.billing.memory_provider import MemoryProvider

EXAMPLES, STEPS = 500, 30
_SEVERITY = [Standing.GOOD, Standing.GRACE, Standing.READ_ONLY]
_DEBTS = {SubscriptionStatus.PAST_DUE, SubscriptionStatus.UNPAID, SubscriptionStatus.PAUSED}


class Told(NamedTuple):
    at: datetime
    notice: Notice


class Life(CustomerRules):
    """An event that comes has the provider looked at; one that is lost has nothing happen."""

    visited: ClassVar[Counter[str]] = Counter()

    @initialize(plan=st.sampled_from(["starter", "pro"]))
    def sign_up(self, plan: str) -> None:
        provider = MemoryProvider()
        self.begin(provider, provider.customer_of(TENANT))
        self.held = held(plan)
        self.last_seen: Seen | None = None
        self.told: list[Told] = []

    @rule()
    def an_event_comes(self) -> None:
        seen = self.seen
        self.settle(seen)
        assert judge(self.held, seen, OFFER, now=seen.at, policy=POLICY).plan == self.held.plan

    @rule(again=st.integers(2, 3))
    def an_event_comes_more_than_once(self, again: int) -> None:
        self.an_event_comes()
        once = self.held
        for _ in range(again):
            self.an_event_comes()
        assert self.held == once, "a second look at the same thing changed something"

    @precondition(lambda self: self.held.account.standing is Standing.GRACE)
    @rule()
    def the_day_comes(self) -> None:
        account = self.held.account
        assert account.standing_until is not None
        self.provider.now = max(self.provider.now, account.standing_until)
        self.settle(self.last_seen)
        assert self.held.account.standing is not Standing.GRACE

    @rule()
    def the_day_is_judged_again(self) -> None:
        self.settle(self.last_seen)

    @rule(
        plan=st.sampled_from(["starter", "pro", "enterprise"]),
        days=st.one_of(st.none(), st.integers(1, 90)),
    )
    def sales_agree(self, plan: str, days: int | None) -> None:
        until = None if days is None else self.provider.now + timedelta(days=days)
        contract = Contract(plan=plan, reason="order", until=until)
        self.held = replace(self.held, account=replace(self.held.account, contract=contract))
        self.settle(self.last_seen)

    @rule()
    def sales_release(self) -> None:
        has_bought = self.held.account.has_bought or self.held.account.contract is not None
        account = replace(self.held.account, contract=None, has_bought=has_bought)
        self.held = replace(self.held, account=account)
        self.settle(self.last_seen)

    @rule(seats=st.integers(1, 80), gigabytes=st.integers(0, 60))
    def use(self, seats: int, gigabytes: int) -> None:
        used = Used(seats=seats, storage_bytes=gigabytes * 1_000_000_000)
        self.held = replace(self.held, used=used)

    @invariant()
    def nobody_is_closed_without_a_warning_in_time(self) -> None:
        account = self.held.account
        if account.standing is not Standing.READ_ONLY:
            return
        assert account.standing_until is not None
        assert account.standing_until <= self.provider.now
        assert account.cause is not None
        warnings = [
            told
            for told in self.told
            if told.notice.due_at == account.standing_until
            and told.notice.kind in {*Cause}
            and Cause(told.notice.kind).is_debt == account.cause.is_debt
        ]
        earliest = min(told.at for told in warnings)
        assert account.standing_until - earliest >= POLICY.notice

    @invariant()
    def a_contract_is_kept(self) -> None:
        contract = self.held.account.contract
        if contract is not None and contract.holds(self.provider.now):
            assert self.held.plan == contract.plan
            assert self.held.account.standing is Standing.GOOD

    def settle(self, seen: Seen | None) -> None:
        """Do what billing/verdicts.py does, and hold each verdict against the rules."""
        now = self.provider.now
        before, verdict = self.held, judge(self.held, seen, OFFER, now=now, policy=POLICY)
        self.held, self.last_seen = after(before, verdict, now=now), seen
        self.visited.update(
            [verdict.basis, f"{verdict.standing.value} {verdict.cause}", f"to {verdict.plan}"]
        )
        known = {(told.notice.kind, told.notice.topic) for told in self.told}
        fresh = [each for each in verdict.notices if (each.kind, each.topic) not in known]
        self.told += [Told(now, notice) for notice in fresh]
        self._rises_only_when_paid(before.plan, verdict, seen)
        self._is_the_same_again(verdict, seen, now)
        self._time_forgives_nothing(seen, now)

    def _rises_only_when_paid(self, before: str, verdict: Verdict, seen: Seen | None) -> None:
        if OFFER.rank(verdict.plan) <= OFFER.rank(before):
            return
        assert verdict.basis in {Basis.CONTRACT, Basis.SUBSCRIPTION, Basis.PAID}
        if verdict.basis is Basis.SUBSCRIPTION:
            assert seen is not None
            found = next(each for each in seen.subscriptions if each.id == verdict.subscription_id)
            assert found.status not in _DEBTS

    def _is_the_same_again(self, verdict: Verdict, seen: Seen | None, now: datetime) -> None:
        again = judge(self.held, seen, OFFER, now=now, policy=POLICY)
        lasting = tuple(each for each in verdict.notices if each.kind != "plan_left")
        assert replace(verdict, notices=lasting) == again

    def _time_forgives_nothing(self, seen: Seen | None, now: datetime) -> None:
        verdict = judge(self.held, seen, OFFER, now=now, policy=POLICY)
        for days in (1, 4, 20, 100):
            later = judge(self.held, seen, OFFER, now=now + timedelta(days=days), policy=POLICY)
            severity = _SEVERITY.index(later.standing)
            assert severity >= _SEVERITY.index(verdict.standing)
            verdict = later


@pytest.mark.timeout(300)
def test_any_life_of_a_subscription_keeps_every_promise() -> None:
    Life.visited.clear()
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
    closed = [f"{standing} {cause}" for standing in ("grace", "read_only") for cause in Cause]
    wanted = {*Basis, *closed, "to starter", "to pro", "to enterprise"}
    assert wanted <= set(Life.visited), f"never visited: {wanted - set(Life.visited)}"
