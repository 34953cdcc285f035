"""Tenants made, shown and changed by the command line are served so by the gateway."""

from __future__ import annotations

import httpx
import pytest

from tests.cli.worlds import Stack

PLANS = {"starter": "rows", "pro": "schema", "enterprise": "database"}


@pytest.mark.parametrize("plan", PLANS)
def test_a_tenant_is_made_in_the_tier_of_its_plan(stack: Stack, plan: str) -> None:
    made = stack.ask(
        *("tenant", "create", "--name", f"Made {plan}", "--slug", f"made-{plan}"),
        *("--plan", plan, "--owner", f"owner@made-{plan}.example", "--wait", "--json"),
    ).document()
    assert made.keys() == {"tenant", "operation", "invitation"}
    shown = stack.ask("tenant", "show", f"made-{plan}", "--json").document()
    assert shown["status"] == "active"
    assert shown["tier"] == PLANS[plan]
    assert isinstance(shown["placement"], dict)
    assert shown["placement"].keys() == {"tier", "cluster", "database", "schema", "epoch"}
    key = stack.ask("key", "create", f"made-{plan}", "--name", "test", "--json").document()
    headers = {"Authorization": f"Bearer {key['secret']}"}
    for gateway in stack.status().gateways:
        answer = httpx.get(f"http://{gateway}/artists", headers=headers)
        assert (answer.status_code, answer.json()) == (200, {"items": [], "next": None})


def test_a_tenant_is_named_by_slug_or_id(stack: Stack) -> None:
    shown = stack.ask("tenant", "show", "city-records", "--json").document()
    assert stack.ask("tenant", "show", str(shown["id"]), "--json").document() == shown


def test_without_wait_the_worker_makes_the_place(stack: Stack) -> None:
    done = stack.ask(
        *("tenant", "create", "--name", "Later", "--slug", "later", "--plan", "starter"),
        *("--owner", "owner@later.example"),
    )
    assert done.status == 0
    stack.until(
        lambda _: stack.ask("tenant", "show", "later", "--json").document()["status"] == "active"
    )


def test_a_list_can_be_narrowed(stack: Stack) -> None:
    for words in (("--plan", "pro"), ("--tier", "schema"), ("--search", "CITY")):
        listed = stack.ask("tenant", "list", *words, "--status", "active", "--json").documents()
        slugs = {str(each["slug"]) for each in listed}
        assert "city-records" in slugs
        assert "corner-records" not in slugs
    here = stack.ask("tenant", "list", "--cluster", "shared-1", "--json").documents()
    found = next(each for each in here if each["slug"] == "city-records")
    told = str(found["lately"])
    assert all(name in told for name in ("requests", "active_at", "stored_bytes", "revision"))
    assert stack.ask("tenant", "list", "--standing", "read_only", "--json").documents() == []


def test_a_tenants_life_people_and_tables_are_told(stack: Stack) -> None:
    told = stack.ask("tenant", "timeline", "city-records", "--json").documents()
    assert "tenant.create" in [each["what"] for each in told]
    assert "tenant.create" in stack.ask("tenant", "timeline", "city-records").out
    people = stack.ask("tenant", "members", "city-records", "--json").document()
    assert set(people) == {"members", "invitations"}
    assert stack.ask("tenant", "members", "city-records").status == 0
    tables = stack.ask("tenant", "tables", "city-records", "--json").documents()
    assert "genre" in [each["table"] for each in tables]
    allowances = stack.ask("limits", "show", "city-records", "--json").document()
    assert allowances["plan"] == "pro"
    assert "api_calls_per_month" in stack.ask("limits", "show", "city-records").out
    for words in (("tenant", "timeline"), ("tenant", "tables"), ("limits", "show")):
        assert "nobody-here" in stack.ask(*words, "nobody-here").sentence()


def test_a_suspended_tenant_is_not_served_until_it_is_resumed(stack: Stack) -> None:
    with stack.call("corner-records") as client:
        assert client.get("/artists").status_code == 200
        stack.ask("tenant", "suspend", "corner-records", "--reason", "unpaid")
        stack.until(lambda _: client.get("/artists").status_code == 503)
        assert "suspended" in stack.ask("tenant", "show", "corner-records").out
        stack.ask("tenant", "resume", "corner-records")
        stack.until(lambda _: client.get("/artists").status_code == 200)
    trail = stack.ask("audit", "list", "--tenant", "corner-records", "--json").documents()
    assert [each["action"] for each in trail[:2]] == ["tenant.resume", "tenant.suspend"]
    assert trail[1]["reason"] == "unpaid"


def test_a_renamed_tenant_is_found_by_both_its_slugs(stack: Stack) -> None:
    stack.ask(
        *("tenant", "create", "--name", "Before", "--slug", "before", "--plan", "starter"),
        *("--owner", "owner@before.example", "--wait"),
    )
    words = ("tenant", "rename", "before", "--name", "After", "--slug", "after")
    renamed = stack.ask(*words, "--reason", "married", "--json").document()
    assert (renamed["slug"], renamed["name"]) == ("after", "After")
    assert stack.ask("tenant", "show", "before", "--json").document()["slug"] == "after"
    trail = stack.ask("audit", "list", "--tenant", "after", "--json").documents()
    told = {str(each["action"]): each["reason"] for each in trail}
    assert (told["tenant.rename"], told["tenant.set_slug"]) == ("married", "married")
    assert "taken" in stack.ask("tenant", "rename", "after", "--slug", "city-records").sentence()
    assert stack.ask("tenant", "rename", "after").status == 2


def test_maintenance_closes_a_tenant_and_opens_it(stack: Stack) -> None:
    with stack.call("city-records", gateway=1) as client:
        assert stack.ask("tenant", "maintenance", "city-records", "on").status == 0
        stack.until(lambda _: client.get("/artists").status_code == 503)
        refused = stack.ask("tenant", "resume", "city-records").sentence()
        assert "is maintenance" in refused
        assert stack.ask("tenant", "maintenance", "city-records", "off").status == 0
        stack.until(lambda _: client.get("/artists").status_code == 200)


def test_the_doctor_finds_nothing_in_what_the_command_line_made(stack: Stack) -> None:
    done = stack.ask("doctor", "--json")
    assert (done.status, done.out.strip()) == (0, "[]")


def test_clusters_are_listed_with_their_room(stack: Stack) -> None:
    listed = stack.ask("cluster", "list", "--json").documents()
    assert {each["name"]: each["role"] for each in listed} == {
        "shared-1": "shared",
        "dedicated-1": "dedicated",
    }
    assert "shared-1" in stack.ask("cluster", "list").out
