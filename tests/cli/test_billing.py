"""Billing by the command line: the price list, both sides of an account, contracts, the inbox."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from tests.billing.stand_in.running import stand_in
from tests.cli.teller import Teller
from tests.cli.worlds import IMPATIENT, Stack
from tests.gateways import PASSWORD, new_slug
from tests.stack.worlds import open_folder


class Account(msgspec.Struct, frozen=True):
    """The part of `billing show --json` that these tests read."""

    class Ours(msgspec.Struct, frozen=True):
        plan: str
        basis: str
        customer_id: str | None

    ours: Ours
    differences: list[str]
    error: str | None


class Shop(msgspec.Struct, frozen=True):
    """A tenant that has signed up for a plan that it hasn't paid yet."""

    slug: str
    checkout_url: str


def account(stack: Stack, slug: str) -> Account:
    return msgspec.json.decode(stack.ask("billing", "show", slug, "--json").out, type=Account)


@pytest.fixture
def shop(stack: Stack) -> Shop:
    return signed_up(f"http://{stack.status().gateways[0]}", new_slug("billed"))


def signed_up(url: str, slug: str) -> Shop:
    body = {
        "email": f"owner@{slug}.example",
        "password": PASSWORD,
        "company": slug,
        "slug": slug,
        "plan": "pro",
    }
    answer = httpx.post(f"{url}/api/signup", json=body, timeout=60, trust_env=False)
    return Shop(slug=slug, checkout_url=answer.raise_for_status().json()["checkout_url"])


def test_the_price_list_is_listed(stack: Stack) -> None:
    listed = stack.ask("billing", "plans", "--json").documents()
    assert [each["name"] for each in listed] == ["starter", "pro", "enterprise"]
    assert "99.00 usd a month" in stack.ask("billing", "plans").out


def test_prices_are_synchronised_at_the_start_and_once_more_changes_nothing(stack: Stack) -> None:
    report = stack.ask("billing", "sync", "--json").document()
    assert report["written"] == []
    assert report["unchanged"] == ["pro_monthly", "pro_yearly", "enterprise_monthly"]
    assert "unchanged: pro_monthly" in stack.ask("billing", "sync").err


def test_what_is_bought_on_a_page_reaches_the_account_and_the_inbox(
    stack: Stack, shop: Shop
) -> None:
    paid = httpx.post(shop.checkout_url, data={"action": "pay"}, timeout=20, trust_env=False)
    assert paid.status_code == 303, paid.text
    stack.until(lambda _: account(stack, shop.slug).ours.plan == "pro")
    found = account(stack, shop.slug)
    assert (found.ours.basis, found.differences) == ("subscription", [])
    assert "subscription" in stack.ask("billing", "show", shop.slug).out
    kind = "customer.subscription.created"
    events = stack.ask("inbox", "list", "--tenant", shop.slug, "--type", kind, "--json").documents()
    assert len(events) == 1
    event_id = str(events[0]["id"])
    assert event_id in stack.ask("inbox", "list").out
    shown = stack.ask("inbox", "show", event_id, "--json").document()
    assert msgspec.json.decode(str(shown["payload"]))["id"] == event_id
    assert kind in stack.ask("inbox", "show", event_id).out
    assert stack.ask("inbox", "replay", event_id, "--json").document()["state"] == "waiting"
    stack.until(
        lambda _: stack.ask("inbox", "show", event_id, "--json").document()["state"] == "handled"
    )


def test_a_comparison_finds_everybody_equal(stack: Stack) -> None:
    report = stack.ask("billing", "reconcile", "--json").document()
    assert (report["differences"], report["failures"], report["is_complete"]) == ([], [], True)
    assert "every account is equal" in stack.ask("billing", "reconcile").err


def test_a_contract_is_agreed_and_released(stack: Stack, shop: Shop) -> None:
    slug = shop.slug
    terms = ("--reason", "C-2026-20", "--until", "2031-12-31", "--seats", "70")
    made = stack.ask("plan", "agree", slug, "pro", *terms, "--amount", "500000", "--json")
    assert msgspec.convert(made.document()["invoice"], dict[str, object])["amount_due"] == 500_000
    assert account(stack, slug).ours.basis == "contract"
    assert "70" in stack.ask("limits", "list", slug).out
    assert stack.ask("plan", "release", slug, "--json").document()["plan"] == "pro"
    stack.until(lambda _: account(stack, slug).ours.basis == "subscription")
    assert "no contract" in stack.ask("plan", "release", slug).sentence()


def test_the_worker_tells_what_billing_leaves_undone(stack: Stack) -> None:
    address = stack.status().part("worker-1").address
    told = httpx.get(f"http://{address}/metrics", timeout=20, trust_env=False).text
    for name in ("events_waiting", "accounts_unsynced", "differences_total", "failures_total"):
        assert f"stepwell_billing_{name}" in told


async def test_an_account_that_the_environment_names_takes_the_stand_ins_place(
    teller: Teller,
) -> None:
    async with stand_in() as account:
        named = {
            "STEPWELL_STRIPE_API_KEY": account.api_key,
            "STEPWELL_STRIPE_WEBHOOK_SECRET": account.webhook_secret,
            "STEPWELL_STRIPE_API_BASE": account.url,
        }
        with open_folder() as folder:
            stack = Stack(teller, folder / "state")
            words = ("up", "--detach", "--port", "0", "--no-demo")
            done = stack.run(*words, env={**IMPATIENT, **named})
            try:
                assert done.status == 0, done.err
                assert [part.kind for part in stack.status().parts].count("stripe") == 0
                stripe = stack.ask("status", "--json").document()["stripe"]
                assert stripe == {"api_base": None, "api_key": None, "webhook_secret": None}
                told = stack.run("billing", "sync", "--json", env=named).document()
                assert told["written"] == [], "the start has told our prices"
                assert account.api_key not in (stack.state / "state.json").read_text()
                url = f"http://{stack.status().gateways[0]}"
                assert signed_up(url, new_slug("named")).checkout_url.startswith(account.url)
            finally:
                stack.run("down")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("billing", "show", "nobody"), "there is no tenant 'nobody'"),
        (("inbox", "show", "evt_none"), "there is no event 'evt_none'"),
        (("inbox", "replay", "evt_none"), "there is no event 'evt_none'"),
        (("inbox", "list", "--tenant", "nobody"), "there is no tenant"),
        (("plan", "release", "nobody"), "there is no tenant"),
        (("plan", "agree", "city-records", "gold", "--reason", "x"), "there is no plan 'gold'"),
        (
            ("plan", "agree", "city-records", "pro", "--reason", "x", "--until", "2001-01-01"),
            "can't have ended already",
        ),
        (("plan", "agree", "city-records", "pro", "--reason", " "), "a contract needs a reason"),
    ],
    ids=str,
)
def test_a_wrong_word_is_answered_with_a_sentence(
    stack: Stack, words: tuple[str, ...], said: str
) -> None:
    assert said in stack.ask(*words).sentence()
