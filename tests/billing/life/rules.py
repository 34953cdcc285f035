"""What happens to a customer: the rules that the pure machine and the stored one share."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from billing.seen import Seen, SeenSubscription, SubscriptionStatus
from tests.billing.memory_provider import MemoryProvider

PRICES = ("pro_monthly", "pro_yearly", "enterprise_monthly")
_ResultT = TypeVar("_ResultT")


def drive(work: Coroutine[object, object, _ResultT]) -> _ResultT:
    """Run what waits for nothing but its turn, without a loop."""
    while True:
        try:
            work.send(None)
        except StopIteration as end:
            result: _ResultT = end.value
            return result


class CustomerRules(RuleBasedStateMachine):
    """The provider's side. ``owner`` is whose customer it is."""

    owner: UUID

    def begin(self, provider: MemoryProvider, customer_id: str) -> None:
        self.provider = provider
        self.customer_id = customer_id

    @property
    def seen(self) -> Seen:
        found = drive(self.provider.look(self.customer_id))
        assert found is not None
        return found

    def of(self, *statuses: SubscriptionStatus) -> list[SeenSubscription]:
        return [each for each in self.seen.subscriptions if each.status in statuses]

    @property
    def living(self) -> list[SeenSubscription]:
        ended = {SubscriptionStatus.CANCELED, SubscriptionStatus.INCOMPLETE_EXPIRED}
        return [each for each in self.seen.subscriptions if each.status not in ended]

    def pick(self, number: int) -> SeenSubscription:
        return self.living[number % len(self.living)]

    @precondition(lambda self: len(self.living) < 3)
    @rule(
        price=st.sampled_from(PRICES),
        status=st.sampled_from([SubscriptionStatus.ACTIVE, SubscriptionStatus.INCOMPLETE]),
    )
    def buy(self, price: str, status: SubscriptionStatus) -> None:
        self.provider.buy(self.customer_id, price, status=status)

    @precondition(lambda self: len(self.living) < 3)
    @rule(price=st.sampled_from(PRICES), days=st.integers(1, 30))
    def try_out(self, price: str, days: int) -> None:
        self.provider.buy(self.customer_id, price, trial_days=days)

    @precondition(lambda self: self.living)
    @rule(number=st.integers(0, 5))
    def pay(self, number: int) -> None:
        self.provider.set_card(self.customer_id, is_good=True)
        self.provider.set_status(self.pick(number).id, SubscriptionStatus.ACTIVE)

    @precondition(lambda self: self.living)
    @rule(number=st.integers(0, 5))
    def fail(self, number: int) -> None:
        """Have a payment fail, and the next ones too, until the customer pays."""
        self.provider.set_card(self.customer_id, is_good=False)
        self.provider.set_status(self.pick(number).id, SubscriptionStatus.PAST_DUE)

    @precondition(lambda self: self.of(SubscriptionStatus.PAST_DUE))
    @rule(status=st.sampled_from([SubscriptionStatus.UNPAID, SubscriptionStatus.CANCELED]))
    def give_up(self, status: SubscriptionStatus) -> None:
        self.provider.set_status(self.of(SubscriptionStatus.PAST_DUE)[0].id, status)

    @precondition(lambda self: self.of(SubscriptionStatus.TRIALING))
    @rule()
    def pause_at_the_end_of_a_trial(self) -> None:
        found = self.of(SubscriptionStatus.TRIALING)[0]
        self.provider.set_status(found.id, SubscriptionStatus.PAUSED)

    @precondition(lambda self: self.living)
    @rule(number=st.integers(0, 5), is_paused=st.booleans())
    def pause_collection(self, number: int, *, is_paused: bool) -> None:
        self.provider.pause_collection(self.pick(number).id, is_paused=is_paused)

    @precondition(lambda self: self.living)
    @rule(number=st.integers(0, 5), days=st.integers(1, 40))
    def cancel_later(self, number: int, days: int) -> None:
        at = self.provider.now + timedelta(days=days)
        self.provider.cancel_at(self.pick(number).id, at)

    @precondition(lambda self: self.living)
    @rule(number=st.integers(0, 5))
    def resume(self, number: int) -> None:
        self.provider.cancel_at(self.pick(number).id, None)

    @precondition(lambda self: self.living)
    @rule(number=st.integers(0, 5))
    def cancel_now(self, number: int) -> None:
        self.provider.set_status(self.pick(number).id, SubscriptionStatus.CANCELED)

    @precondition(lambda self: self.living)
    @rule(number=st.integers(0, 5), price=st.sampled_from(PRICES))
    def swap(self, number: int, price: str) -> None:
        """Go up or down."""
        self.provider.swap(self.pick(number).id, price)

    @rule(hours=st.integers(1, 24 * 40))
    def pass_time(self, hours: int) -> None:
        self.provider.pass_time(timedelta(hours=hours))
