"""How everything stands, each cluster, the canaries, and work that failed, by commands."""

from __future__ import annotations

import uuid

import asyncpg
import msgspec
import pytest

from tests.cli.worlds import Stack

#: No worker knows this kind, so that nobody takes the work away.
KIND = "chore"
FAILED = """
    INSERT INTO catalog.operation (id, kind, tenant_id, state, error, attempts, started_at,
        finished_at)
    SELECT $1, $2, t.id, 'failed', 'the disk is full', 3, now(), now()
    FROM catalog.tenant AS t WHERE t.slug = $3
"""


class Row(msgspec.Struct, frozen=True):
    """The part of a listed operation that these tests read."""

    id: uuid.UUID
    state: str
    tenant_slug: str | None
    can_retry: bool


async def fail(stack: Stack, slug: str) -> uuid.UUID:
    catalog, _ = stack.dsns()
    operation_id = uuid.uuid4()
    connection = await asyncpg.connect(catalog, ssl=False)
    try:
        await connection.execute(FAILED, operation_id, KIND, slug)
    finally:
        await connection.close()
    return operation_id


def clusters_of(stack: Stack) -> list[dict[str, object]]:
    told = stack.ask("overview", "--json").document()["clusters"]
    return msgspec.convert(told, type=list[dict[str, object]])


def test_the_overview_tells_of_every_cluster_and_tier(stack: Stack) -> None:
    stack.until(lambda _: all(each["figures"] for each in clusters_of(stack)))
    assert [each["name"] for each in clusters_of(stack)] == ["dedicated-1", "shared-1"]
    told = stack.ask("overview", "--json").document()
    counted = msgspec.convert(told["tenants"], type=list[dict[str, object]])
    assert {"rows", "schema", "database"} <= {str(each["tier"]) for each in counted}
    shown = stack.ask("overview").out
    for said in ("active in rows", "shared-1", "staff inside", "comparison"):
        assert said in shown


def test_a_cluster_is_shown_with_who_is_connected(stack: Stack) -> None:
    told = stack.ask("cluster", "show", "shared-1", "--json").document()
    assert told["error"] is None
    server = msgspec.convert(told["server"], type=dict[str, object])
    assert int(str(server["connections_used"])) > 0
    shown = stack.ask("cluster", "show", "shared-1").out
    assert "PostgreSQL" in shown
    assert "stepwell_catalog" in shown
    refused = stack.ask("cluster", "show", "nowhere")
    assert (refused.status, refused.out) == (1, "")
    assert "there is no cluster 'nowhere'" in refused.err


def test_the_doctor_lets_canaries_fly(stack: Stack) -> None:
    done = stack.ask("doctor", "--canaries", "--json")
    # A server that lacks fixes is a finding of its own.
    found = msgspec.json.decode(done.out, type=list[dict[str, object]])
    assert [each for each in found if each["rule"] == "canary-seen"] == []


async def test_work_that_failed_is_listed_shown_and_tried_again_once(stack: Stack) -> None:
    operation_id = await fail(stack, "city-records")
    asked = ("operation", "list", "--failing", "--kind", KIND, "--tenant", "city-records")
    (row,) = msgspec.json.decode(stack.ask(*asked, "--json").out, type=list[Row])
    assert (row.id, row.state, row.can_retry) == (operation_id, "failed", True)
    assert "the disk is full" in stack.ask(*asked).out
    shown = stack.ask("operation", "show", str(operation_id))
    assert "failed" in shown.out
    for said in ("is tried again", "it is on its way"):
        done = stack.ask("operation", "retry", str(operation_id), "--reason", "there is room")
        assert (done.status, said in done.err) == (0, True)
    trail = stack.ask("audit", "list", "--tenant", "city-records", "--json").documents()
    retries = [each for each in trail if each["action"] == "operation.retry"]
    assert [each["reason"] for each in retries] == ["there is room"]
    assert stack.ask(*asked, "--json").documents() == []


@pytest.mark.parametrize("word", ["show", "retry"])
def test_work_that_is_not_there_is_one_sentence(stack: Stack, word: str) -> None:
    done = stack.ask("operation", word, str(uuid.uuid4()))
    assert (done.status, done.out) == (1, "")
    assert "there is no operation" in done.err
    assert stack.ask("operation", word, "not-an-id").status == 2


async def test_what_has_ended_is_not_tried_again(stack: Stack) -> None:
    (done, *_) = stack.ask(
        "operation", "list", "--operation-state", "done", "--kind", "provision", "--json"
    ).documents()
    refused = stack.ask("operation", "retry", str(done["id"]))
    assert refused.status == 1
    assert "nothing is left to do" in refused.err
