"""An enterprise brought in by the command line alone, its first invoice included."""

from __future__ import annotations

from typing import cast

from tests.cli.worlds import Stack

REASON = ("--reason", "a test asks for it")
SLUG = "brought-in"


def test_an_enterprise_goes_from_draft_to_live(stack: Stack) -> None:
    made = stack.ask(
        *("onboarding", "create", "Brought In", "--owner", "sales@stepwell.example"),
        *("--due", "2099-01-01", *REASON, "--json"),
    ).document()
    deal = str(cast("dict[str, object]", made["line"])["id"])

    def change(*words: str) -> dict[str, object]:
        return stack.ask("onboarding", *words, *REASON, "--json").document()

    refused = stack.ask("onboarding", "advance", deal, *REASON)
    assert refused.status == 1
    assert "legal_name: name the legal entity" in refused.err
    people = ("owner_email=boss@brought.example", "billing_email=bills@brought.example")
    change("set", deal, "draft", "legal_name=Brought In Ltd", "address=1 Main St", *people)
    change("advance", deal)
    terms = ("starts_on=2026-01-01", "ends_on=2099-12-31", "seats=40", "amount=1200000")
    shown = change("set", deal, "contract", *terms)
    assert (shown["missing"], shown["needs_approval"]) == ([], False)
    change("advance", deal)
    change("set", deal, "place", "cluster=dedicated-1")
    change("advance", deal)
    change("set", deal, "data", "source=new", f"slug={SLUG}")
    change("begin", deal)
    stack.until(
        lambda _: stack.ask("onboarding", "show", deal, "--json").document()["missing"] == []
    )
    change("advance", deal)
    shown = change("check", deal)
    receipt = shown["receipt"]
    assert isinstance(receipt, dict)
    assert receipt["has_passed"], receipt
    live = change("advance", deal)
    assert str(live["invoice"]).startswith("in_")
    listed = stack.ask("onboarding", "list", "--stage", "live", "--json").documents()
    assert deal in [str(each["id"]) for each in listed]
    told = stack.ask("onboarding", "show", deal)
    assert "ok   backup and restore" in told.out
    assert stack.ask("tenant", "show", SLUG, "--json").document()["tier"] == "database"


def test_what_is_wrong_is_one_sentence(stack: Stack) -> None:
    made = stack.ask(
        *("onboarding", "create", "Wrong", "--owner", "sales@stepwell.example", *REASON, "--json")
    ).document()
    deal = str(cast("dict[str, object]", made["line"])["id"])
    for words, status, said in (
        (("set", deal, "contract", "seats=many", *REASON), 1, "seats"),
        (("set", deal, "contract", "colour=red", *REASON), 1, "has no 'colour'"),
        (("set", deal, "contract", "seats", *REASON), 2, "is no NAME=VALUE"),
        (("set", deal, "place", "kind=own", "host=127.0.0.1", *REASON), 1, "private"),
        (("set", deal, "place", "certificates=@no/such/file", *REASON), 1, "can't be read"),
        (("set", deal, "draft", "name=X", "--version", "7", *REASON), 1, "changed this onboarding"),
        (("approve", deal, *REASON), 1, "needs anybody's approval"),
        (("show", "no-id"), 2, "not a valid UUID"),
        (("advance", deal), 2, "--reason"),
    ):
        told = stack.ask("onboarding", *words)
        assert told.status == status, words
        assert said in told.err
        assert "Traceback" not in told.err
