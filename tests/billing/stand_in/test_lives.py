"""Subscriptions live through anything, in any order: what must hold then, holds."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlencode

import msgspec
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from deploy.stand_in.alarms import alarms
from deploy.stand_in.books import Books, shown
from deploy.stand_in.deliveries import Deliveries
from deploy.stand_in.desk import Asked, Desk
from deploy.stand_in.objects import Customer, Event
from deploy.stand_in.store import Store
from deploy.stand_in.subscription_objects import Invoice, Subscription
from tests.billing.stand_in.running import API_KEY
from tests.billing.stand_in.shop import DAY_S, START

PRICES = (("small", 900, "month"), ("pro", 9_900, "month"), ("yearly", 99_000, "year"))
#: What whoever follows the events must know as well as whoever asks.
TOLD = ("status", "items", "cancel_at", "ended_at", "pending_update", "trial_end", "metadata")
ENDED = {"canceled", "incomplete_expired"}


def _living(books: Books) -> list[Subscription]:
    return [one for one in books.store.newest(Subscription) if one.ended_at is None]


class Lives(RuleBasedStateMachine):
    """One customer on one clock, driven through the API's front desk without its network."""

    statuses: ClassVar[set[str]] = set()

    @initialize(card=st.sampled_from(["good", "fails", "none"]))
    def open(self, card: str) -> None:
        self.store = Store(Path(":memory:"), seed="lives")
        self.desk = Desk(self.store, Deliveries(self.store), url="http://h", api_key=API_KEY)
        self.books = Books(self.store, url="http://h")
        self.clock = self.call("test_helpers/test_clocks", frozen_time=str(START))["id"]
        for name, amount, interval in PRICES:
            self.call("products", id=name, name=name)
            made = self.call(
                "prices",
                product=name,
                currency="usd",
                unit_amount=str(amount),
                **{"recurring[interval]": interval},
            )
            self.store.set(f"price of {name}", str(made["id"]))
        made = self.call("customers", name="Acme", test_clock=str(self.clock))
        self.customer = str(made["id"])
        if card != "none":
            self.card(is_good=card == "good")
        self.subscribe("pro", "" if card == "good" else "3", "charge_automatically", "", "pause")

    def teardown(self) -> None:
        self.store.close()

    def call(self, path: str, **fields: str) -> dict[str, object]:
        asked = Asked(
            method="POST",
            path=path,
            authorization=f"Bearer {API_KEY}",
            idempotency_key=None,
            encoded=urlencode(fields).encode(),
        )
        said = asyncio.run(self.desk.answer(asked))
        assert said.status < 500, said.body
        return msgspec.json.decode(said.body, type=dict[str, object])

    def price(self, name: str) -> str:
        return self.store.setting(f"price of {name}") or ""

    def newest(self) -> Subscription | None:
        return next(iter(self.store.newest(Subscription)), None)

    def update(self, **fields: str) -> None:
        held = self.newest()
        if held is not None:
            self.call(f"subscriptions/{held.id}", **fields)

    # What happens -------------------------------------------------------------------------------

    @rule(
        name=st.sampled_from([name for name, _, _ in PRICES]),
        trial=st.sampled_from(["", "3", "14"]),
        method=st.sampled_from(["charge_automatically", "send_invoice"]),
        behavior=st.sampled_from(["allow_incomplete", "default_incomplete"]),
        missing=st.sampled_from(["pause", "cancel", "create_invoice"]),
    )
    def subscribe(self, name: str, trial: str, method: str, behavior: str, missing: str) -> None:
        if _living(self.books):
            return
        fields = {
            "customer": self.customer,
            "items[0][price]": self.price(name),
            "collection_method": method,
            "days_until_due": "14" if method == "send_invoice" else "",
            "payment_behavior": behavior,
            "trial_period_days": trial,
            "trial_settings[end_behavior][missing_payment_method]": missing,
        }
        self.call("subscriptions", **fields)

    @rule(
        name=st.sampled_from([name for name, _, _ in PRICES]),
        quantity=st.integers(min_value=0, max_value=9),
        proration=st.sampled_from(["create_prorations", "always_invoice", "none"]),
        payment=st.sampled_from(
            ["allow_incomplete", "pending_if_incomplete", "error_if_incomplete"]
        ),
    )
    def change(self, name: str, quantity: int, proration: str, payment: str) -> None:
        held = self.newest()
        if held is not None:
            self.update(
                **{
                    "items[0][id]": held.items.data[0].id,
                    "items[0][price]": self.price(name),
                    "items[0][quantity]": str(quantity),
                },
                proration_behavior=proration,
                payment_behavior=payment,
            )

    @rule(at_end=st.sampled_from(["true", "false"]))
    def cancel(self, at_end: str) -> None:
        self.update(cancel_at_period_end=at_end)

    @rule(behavior=st.sampled_from(["void", "keep_as_draft", "mark_uncollectible", ""]))
    def pause(self, behavior: str) -> None:
        self.update(**{"pause_collection[behavior]" if behavior else "pause_collection": behavior})

    @rule()
    def end_trial(self) -> None:
        self.update(trial_end="now")

    @rule()
    def resume(self) -> None:
        held = self.newest()
        if held is not None:
            self.call(f"subscriptions/{held.id}/resume")

    @rule(is_good=st.booleans())
    def card(self, *, is_good: bool) -> None:
        token = "pm_card_visa" if is_good else "pm_card_chargeCustomerFail"
        path = f"customers/{self.customer}"
        self.call(path, **{"invoice_settings[default_payment_method]": token})

    @rule()
    def pay(self) -> None:
        for invoice in list(self.store.newest(Invoice, owner=self.customer)):
            if invoice.status == "open":
                self.call(f"invoices/{invoice.id}/pay")
                return

    @rule(by_s=st.sampled_from([60, 3_600, DAY_S, 4 * DAY_S, 16 * DAY_S, 45 * DAY_S]))
    def wait(self, by_s: int) -> None:
        to = self.books.now(str(self.clock)) + by_s
        self.call(f"test_helpers/test_clocks/{self.clock}/advance", frozen_time=str(to))

    # What holds ---------------------------------------------------------------------------------

    @invariant()
    def whoever_lives_has_something_to_wait_for(self) -> None:
        now = self.books.now(str(self.clock))
        for held in self.store.newest(Subscription):
            self.statuses.add(held.status)
            assert (held.ended_at is not None) == (held.status in ENDED)
            waits = alarms(held, now=now)
            if held.status in ENDED or held.status == "paused":
                assert not waits
            else:
                assert waits
                assert min(waits.values()) > now, held.status

    @invariant()
    def nothing_that_fell_due_was_refused(self) -> None:
        assert self.store.refused == 0

    @invariant()
    def an_invoice_adds_up(self) -> None:
        for invoice in self.store.newest(Invoice):
            assert invoice.total == sum(line.amount for line in invoice.lines.data)
            assert invoice.amount_due == invoice.amount_paid + invoice.amount_remaining
            assert invoice.amount_due >= 0
            assert (invoice.status == "paid") == (invoice.status_transitions.paid_at is not None)

    @invariant()
    def credit_is_given_and_used_to_the_cent(self) -> None:
        customer = self.books.get(Customer, self.customer)
        final = [
            invoice
            for invoice in self.store.newest(Invoice)
            if invoice.status_transitions.finalized_at is not None
        ]
        assert customer.balance == sum(invoice.total - invoice.amount_due for invoice in final)
        assert customer.balance <= 0

    @invariant()
    def the_events_tell_everything(self) -> None:
        told: dict[str, dict[str, object]] = {}
        for event in self.store.oldest(Event):
            thing = event.data.object
            if thing.get("object") == "subscription":
                told[str(thing["id"])] = thing
        for held in self.store.newest(Subscription):
            document = shown(held)
            for name in TOLD:
                assert told[held.id][name] == document[name], name


_ROUNDS_MAX = 6
_STATUSES = {"active", "canceled", "incomplete", "past_due", "paused", "trialing", "unpaid"}


def test_every_life_is_lived_and_told() -> None:
    for number in range(_ROUNDS_MAX):
        run_state_machine_as_test(
            seed(number)(Lives),
            settings=settings(
                max_examples=150,
                stateful_step_count=25,
                deadline=None,
                database=None,
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
        if Lives.statuses >= _STATUSES:
            break
    # What lives are drawn depends on what else was imported: so many draws come through them all.
    assert Lives.statuses >= _STATUSES
