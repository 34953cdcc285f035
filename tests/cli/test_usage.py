"""What tenants use and may, from the command line."""

from __future__ import annotations

from datetime import UTC, datetime

import asyncpg
import msgspec
import pytest

from tests.cli.worlds import Stack

TENANT = "city-records"
HOUR = datetime(2026, 3, 9, 14, tzinfo=UTC)
MARCH = datetime(2026, 3, 9, 14, 30, tzinfo=UTC)


async def execute(stack: Stack, statement: str, *values: object) -> None:
    catalog, _ = stack.dsns()
    connection = await asyncpg.connect(catalog, ssl=False)
    try:
        await connection.execute(statement, *values)
    finally:
        await connection.close()


def test_limits_are_set_listed_and_ended(stack: Stack) -> None:
    given = stack.ask(
        *("limits", "set", TENANT, "--limit", "seats=80", "--limit", "storage_bytes=none"),
        *("--limit", "features=own_server", "--reason", "a big customer"),
        *("--until", "2099-12-31", "--json"),
    ).document()
    assert given["limits"] == {"seats": 80, "storage_bytes": None, "features": ["own_server"]}
    assert given["expires_at"] == "2099-12-31T00:00:00Z"
    listed = stack.ask("limits", "list", TENANT, "--json").documents()
    assert [each["id"] for each in listed] == [given["id"]]
    shown = stack.ask("limits", "list", TENANT).out
    assert "seats=80, storage_bytes=none, features=own_server" in shown
    assert "until 2099-12-31 00:00 UTC" in shown
    with stack.call(TENANT) as client:
        stack.until(lambda _: client.get("/api/tenant").json()["limits"]["seats"] == 80)
        ended = stack.ask("limits", "end", str(given["id"]), "--json").document()
        assert ended["ended_at"]
        stack.until(lambda _: client.get("/api/tenant").json()["limits"]["seats"] == 50)
    assert stack.ask("limits", "list", TENANT, "--json").documents() == []
    assert "ended" in stack.ask("limits", "list", TENANT, "--ended").out
    trail = stack.ask("audit", "list", "--tenant", TENANT, "--json").documents()
    deeds = [each["action"] for each in trail if str(each["action"]).startswith("limits.")]
    assert deeds == ["limits.end", "limits.give"]


async def test_usage_is_shown_and_stated(stack: Stack) -> None:
    told = stack.ask("usage", "show", TENANT, "--json").document()["metrics"]
    metrics = msgspec.convert(told, type=list[dict[str, object]])
    assert [each["metric"] for each in metrics] == ["api_calls", "seats", "storage_bytes"]
    assert "100,000" in stack.ask("usage", "show", TENANT).out
    tenant_id = stack.ask("tenant", "show", TENANT, "--json").document()["id"]
    # What lies in no month of its own is a finding of the doctor's, on the stack that all share.
    await execute(stack, "SELECT catalog.make_usage_month($1::date)", MARCH.date())
    event = "INSERT INTO catalog.usage_event (tenant_id, metric, quantity, key, at)"
    await execute(stack, f"{event} VALUES ($1, 'api_calls', 7, 'test', $2)", tenant_id, MARCH)
    words = ("usage", "statement", TENANT, "--month", "2026-03")
    # The entry came without its total: the statement finds that, and is shown all the same.
    differing = stack.ask(*words, "--json")
    assert differing.status == 1
    assert "doesn't bear out 2 totals of 2026-03" in differing.err
    hour = "INSERT INTO catalog.usage_hour (tenant_id, metric, hour, quantity)"
    await execute(stack, f"{hour} VALUES ($1, 'api_calls', $2, 7)", tenant_id, HOUR)
    month = "INSERT INTO catalog.usage_month (tenant_id, metric, month, quantity)"
    await execute(stack, f"{month} VALUES ($1, 'api_calls', '2026-03-01', 7)", tenant_id)
    stated = stack.ask(*words, "--json").document()
    assert (stated["month"], stated["differences"]) == ("2026-03", [])
    shown = stack.ask(*words).out
    assert "7 in 1 reports" in shown
    assert "2026-03-09" in shown


async def test_a_held_event_is_listed_and_settled(stack: Stack) -> None:
    tenant_id = stack.ask("tenant", "show", TENANT, "--json").document()["id"]
    assert stack.ask("usage", "held", "--json").documents() == []
    await execute(
        stack,
        "INSERT INTO catalog.meter_event"
        " (identifier, tenant_id, metric, hour, number, quantity, tried_at)"
        " VALUES ('test:1', $1, 'none', $2, 1, 3, $2)",
        tenant_id,
        MARCH,
    )
    (held,) = stack.ask("usage", "held", "--json").documents()
    assert (held["identifier"], held["quantity"]) == ("test:1", 3)
    assert "test:1" in stack.ask("usage", "held").out
    settled = stack.ask("usage", "settle", "test:1", "--counted", "--json").document()
    assert settled == {"settled": ["test:1"], "was_counted": True}
    assert "is held" in stack.ask("usage", "settle", "test:1", "--counted").sentence()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("limits", "set", "nobody", "--limit", "seats=1", "--reason", "r"), "there is no tenant"),
        (("limits", "set", TENANT, "--limit", "seat=1", "--reason", "r"), "no limit 'seat'"),
        (("limits", "set", TENANT, "--limit", "seats", "--reason", "r"), "write NAME=VALUE"),
        (("limits", "set", TENANT, "--limit", "seats=x", "--reason", "r"), "a limit is wrong"),
        (("limits", "set", TENANT, "--limit", "seats=-1", "--reason", "r"), "a limit is wrong"),
        (("limits", "set", TENANT, "--limit", "seats=1", "--reason", " "), "needs a reason"),
        (
            ("limits", "set", TENANT, "--limit", "seats=1", "--limit", "seats=2", "--reason", "r"),
            "is given twice",
        ),
        (
            ("limits", "set", TENANT, "--limit", "seats=1", "--reason", "r", "--until", "soon"),
            "is no date",
        ),
        (
            (
                "limits",
                "set",
                TENANT,
                "--limit",
                "seats=1",
                "--reason",
                "r",
                "--until",
                "2020-01-01",
            ),
            "in the past",
        ),
        (("limits", "list", "nobody"), "there is no tenant"),
        (("limits", "end", "00000000-0000-0000-0000-000000000000"), "no override"),
        (("usage", "show", "nobody"), "there is no tenant"),
        (("usage", "statement", TENANT, "--month", "2026-13"), "is no month"),
        (("usage", "settle", "none-such", "--counted"), "no event 'none-such' is held"),
    ],
    ids=str,
)
def test_a_wrong_word_is_answered_with_a_sentence(
    stack: Stack, words: tuple[str, ...], said: str
) -> None:
    assert said in stack.ask(*words).sentence()
