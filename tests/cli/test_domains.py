"""Domains, archives and endings by the command line, which the API and the pages show as well."""

from __future__ import annotations

from tests.cli.worlds import Stack

SLUG = "city-records"


def test_a_domain_is_added_looked_for_and_removed(stack: Stack) -> None:
    name = "shop.city-records.example"
    added = stack.ask("domain", "add", SLUG, name.upper(), "--json").document()
    assert (added["name"], added["state"]) == (name, "pending")
    assert added["record_name"] == f"_stepwell.{name}"
    assert str(added["record_value"]).startswith("stepwell=")
    listed = stack.ask("domain", "list", SLUG, "--json").documents()
    assert [each["name"] for each in listed] == [name]
    assert name in stack.ask("domain", "list", SLUG).out
    removed = stack.ask("domain", "remove", SLUG, name, "--json").document()
    assert removed == {"name": name, "tenant": SLUG}
    assert stack.ask("domain", "list", SLUG, "--json").documents() == []


def test_what_is_no_domain_is_one_sentence(stack: Stack) -> None:
    for words in (
        ("add", SLUG, "192.0.2.1"),
        ("add", SLUG, "x.localhost"),
        ("check", SLUG, "nobody.example.com"),
        ("remove", SLUG, "nobody.example.com"),
        ("list", "no-such-tenant"),
    ):
        done = stack.ask("domain", *words)
        assert done.status == 1, words
        assert done.err.count("\n") == 1, done.err


def test_an_erasure_that_waits_is_taken_back(stack: Stack) -> None:
    words = ("tenant", "erase", SLUG, "--confirm", SLUG, "--later")
    planned = stack.ask(*words, "--json").document()
    assert planned["closed_at"] is None
    assert stack.ask("tenant", "keep", SLUG, "--json").document()["slug"] == SLUG
    again = stack.ask("tenant", "keep", SLUG)
    assert (again.status, again.err.count("\n")) == (1, 1)
    assert stack.ask("tenant", "show", SLUG, "--json").document()["status"] == "active"


def test_a_tenants_archives_are_listed(stack: Stack) -> None:
    with stack.call(SLUG) as client:
        made = client.post("/api/exports")
        assert made.status_code == 202, made.text
        path = f"/api/exports/{made.json()['id']}"
        stack.until(lambda _: client.get(path).json()["has_file"] is True)
        listed = stack.ask("tenant", "archives", SLUG, "--json").documents()
        assert [each["id"] for each in listed] == [made.json()["id"]]
        assert made.json()["id"] in stack.ask("tenant", "archives", SLUG).out
        assert client.get(f"{path}/file").status_code == 200
        assert client.delete(path).status_code == 204
