"""Tenants moved by the command line, on a stack whose worker does what was asked for."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from promotion.faults import POINTS
from tests.cli.worlds import Stack

KEYS = {
    *("id", "tenant", "source", "target", "state", "step", "rows_copied", "rows_total"),
    *("lag_rows", "pause_ms", "proof", "attempts", "started_at", "finished_at", "error"),
    *("settled_at", "undo_until", "awaits_cut_over", "hurried_at", "log_bytes"),
    *("paused_at", "paused_by", "paused_reason", "held_at", "held_by", "held_reason"),
}
WORDS = ("pause", "resume", "hold", "release", "cut-over")


def new_tenant(stack: Stack, plan: str = "starter") -> str:
    slug = f"mover-{uuid.uuid4().hex[:8]}"
    made = stack.ask(
        *("tenant", "create", "--name", "Mover", "--slug", slug, "--plan", plan),
        *("--owner", f"owner@{slug}.example", "--wait", "--json"),
    )
    assert made.status == 0, made.err
    return slug


def moves_of(stack: Stack, slug: str, *words: str) -> list[dict[str, Any]]:
    return stack.ask("move", "list", "--tenant", slug, *words, "--json").documents()


def test_a_dry_run_tells_all_and_does_nothing(stack: Stack) -> None:
    told: dict[str, Any] = stack.ask(
        "promote", "corner-records", "--to", "schema", "--dry-run", "--json"
    ).document()
    assert (told["does"], told["tier"], told["cluster"]) == ("move", "schema", "shared-1")
    assert told["steps"][:2] == ["prepared", "captured"]
    assert told["rows"] == sum(each["rows"] for each in told["tables"]) > 1_000
    assert told["bytes"] > told["rows"]
    assert told["duration_s"] > 0
    assert told["pause_ms"] > 0
    assert moves_of(stack, "corner-records") == []
    shown = stack.ask("tenant", "show", "corner-records", "--json").document()
    assert shown["pin_reason"] is None
    people = stack.ask("promote", "corner-records", "--to", "database", "--dry-run").out
    for word in ("prepared", "database on dedicated-1", "track", "expected pause"):
        assert word in people


def test_a_dry_run_refuses_what_would_be_refused(stack: Stack) -> None:
    words = ("promote", "corner-records", "--to", "rows", "--dry-run")
    assert "is in tier rows on shared-1 already" in stack.ask(*words).sentence()


def test_a_move_is_asked_for_pinned_shown_and_listed(stack: Stack) -> None:
    slug = new_tenant(stack)
    told: dict[str, Any] = stack.ask(
        "promote", slug, "--to", "schema", "--reason", "contract C-9", "--json"
    ).document()
    assert told.keys() == {"operation", "move"}
    assert told["operation"]["id"] == told["move"]["id"]
    assert told["move"].keys() == KEYS
    shown = stack.ask("move", "show", told["move"]["id"], "--json").document()
    assert shown.keys() == KEYS
    assert moves_of(stack, slug)[0]["id"] == told["move"]["id"]
    tenant = stack.ask("tenant", "show", slug, "--json").document()
    assert (tenant["pinned_tier"], tenant["pin_reason"]) == ("schema", "contract C-9")
    assert slug in stack.ask("move", "list").out
    people = stack.ask("move", "show", told["move"]["id"]).out
    for word in (slug, "rows on shared-1", "operator:cli: contract C-9"):
        assert word in people


def test_a_move_is_held_paused_resumed_and_cut_over(stack: Stack) -> None:
    slug = new_tenant(stack)
    told: dict[str, Any] = stack.ask(
        *("promote", slug, "--to", "schema", "--hold", "--wait", "--reason", "on Sunday", "--json")
    ).document()
    held = told["move"]
    assert (held["state"], held["step"], held["awaits_cut_over"]) == ("running", "verified", True)
    move_id: str = held["id"]
    shown = stack.ask("move", "show", move_id).out
    assert "ready, and held before its switch by operator:cli: on Sunday" in shown
    paused = stack.ask("move", "pause", move_id, "--reason", "too busy", "--json").document()
    assert (paused["paused_reason"], paused["awaits_cut_over"]) == ("too busy", False)
    assert "paused by operator:cli: too busy" in stack.ask("move", "show", move_id).out
    # While it is paused: released, the worker would switch it at once.
    assert stack.ask("move", "release", move_id, "--json").document()["held_at"] is None
    assert stack.ask("move", "hold", move_id, "--json").document()["held_at"] is not None
    assert stack.ask("move", "resume", move_id, "--json").document()["paused_at"] is None
    done = stack.ask("move", "cut-over", move_id, "--wait", "--json").document()
    assert (done["state"], done["held_at"]) == ("done", None)
    for word in WORDS:
        assert "undo it instead" in stack.ask("move", word, move_id).sentence()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("promote", "corner-records", "--to", "rows"), "is in tier rows on shared-1 already"),
        (("promote", "nobody", "--to", "rows"), "there is no tenant 'nobody'"),
        (
            ("promote", "corner-records", "--to", "schema", "--cluster", "nowhere"),
            "there is no cluster 'nowhere'",
        ),
        (
            ("promote", "corner-records", "--to", "database", "--cluster", "shared-1"),
            "there is no dedicated cluster 'shared-1'",
        ),
        *(
            (("move", verb, str(uuid.UUID(int=7))), "there is no move")
            for verb in ("show", "cancel", "undo", "settle", *WORDS)
        ),
    ],
    ids=["home", "nobody", "nowhere", "wrong kind", "show", "cancel", "undo", "settle", *WORDS],
)
def test_what_can_not_be_is_one_sentence(stack: Stack, words: tuple[str, ...], told: str) -> None:
    assert told in stack.ask(*words).sentence()


@pytest.mark.parametrize(
    "words",
    [
        ("promote", "corner-records"),
        ("promote", "corner-records", "--to", "attic"),
        ("move", "show", "x"),
        ("move", "list", "--limit", "0"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_with_2(stack: Stack, words: tuple[str, ...]) -> None:
    assert stack.ask(*words).status == 2


def test_a_suspended_tenant_is_not_moved(stack: Stack) -> None:
    slug = new_tenant(stack)
    stack.ask("tenant", "suspend", slug, "--reason", "unpaid")
    told = stack.ask("promote", slug, "--to", "schema").sentence()
    assert f"tenant {slug} is suspended" in told
    assert moves_of(stack, slug) == []


def test_pins_are_taken_away_where_the_plan_wants_nothing_else(stack: Stack) -> None:
    slug = new_tenant(stack, "pro")
    told = stack.ask("promote", slug, "--to", "plan", "--json").document()
    assert told == {"operation": None, "move": None}


def test_a_changed_plan_is_noticed_and_recorded_once(stack: Stack) -> None:
    slug = new_tenant(stack)
    done = stack.ask("plan", "set", slug, "pro")
    assert "the worker moves its rows from tier rows to schema" in done.err
    stack.until(lambda _: len(moves_of(stack, slug)) == 1)
    move = moves_of(stack, slug)[0]
    assert move["target"]["tier"] == "schema"
    trail = stack.ask("audit", "list", "--tenant", slug, "--json").documents()
    recorded = [each for each in trail if each["action"] == "move.record"]
    assert [(each["actor"], each["reason"]) for each in recorded] == [("worker", "its plan is pro")]


def test_a_plan_does_not_move_what_is_pinned(stack: Stack) -> None:
    slug = new_tenant(stack)
    stack.ask("promote", slug, "--to", "schema", "--reason", "contract C-1")
    done = stack.ask("plan", "set", slug, "enterprise")
    assert "its rows stay in tier schema, where they are pinned: contract C-1" in done.err


def test_a_tenant_moves_on_back_and_for_good(stack: Stack) -> None:
    slug = new_tenant(stack)

    def promote(tier: str) -> dict[str, Any]:
        told: dict[str, Any] = stack.ask(
            "promote", slug, "--to", tier, "--wait", "--json"
        ).document()
        return dict(told["move"])

    def placement() -> tuple[str, int]:
        shown: dict[str, Any] = stack.ask("tenant", "show", slug, "--json").document()
        return (shown["placement"]["tier"], shown["placement"]["epoch"])

    first = promote("schema")
    assert (first["state"], placement()) == ("done", ("schema", 2))
    assert first["pause_ms"] > 0
    assert all(each["source_digest"] == each["target_digest"] for each in first["proof"])
    second = promote("database")
    assert (second["state"], placement()) == ("done", ("database", 3))
    assert moves_of(stack, slug, "--open") == [second]
    back = promote("schema")
    assert (back["id"], back["state"], placement()) == (second["id"], "undone", ("schema", 4))
    third = promote("rows")
    undone = stack.ask("move", "undo", third["id"], "--wait", "--json").document()
    assert (undone["state"], placement()) == ("undone", ("schema", 6))
    fourth = promote("rows")
    assert "is being erased" in stack.ask("move", "settle", fourth["id"]).err
    stack.until(lambda _: moves_of(stack, slug)[0]["settled_at"] is not None)
    assert placement() == ("rows", 7)
    assert "is settled" in stack.ask("move", "undo", fourth["id"]).sentence()


def test_waiting_tells_each_step_where_there_is_no_terminal(stack: Stack) -> None:
    slug = new_tenant(stack)
    done = stack.ask("promote", slug, "--to", "schema", "--wait")
    assert (done.status, done.out) == (0, "")
    assert "done, writers were held for" in done.err.splitlines()[-1]


def test_the_fault_points_are_listed(stack: Stack) -> None:
    assert stack.ask("move", "faultpoints").out.split() == list(POINTS)
    assert stack.ask("move", "faultpoints", "--json").status == 0
