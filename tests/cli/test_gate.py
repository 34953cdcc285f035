"""The key of the gates is replaced while a customer writes, and nobody notices."""

from __future__ import annotations

import asyncio
import contextlib

import asyncpg
import msgspec

from deploy.gates import Rotation
from tests.cli.worlds import Stack

KEYS = "SELECT id FROM gate.key ORDER BY id"
#: The first plan has room for fifty calls a second.
WRITE_PAUSE_S = 0.02
SLUGS = ("corner-records", "city-records", "world-records")


async def keys_of(stack: Stack) -> dict[str, list[int]]:
    """Ask every database with a gate which keys it holds."""
    held: dict[str, list[int]] = {}
    _, clusters = stack.dsns()
    for name, dsn in clusters.items():
        for database in await _ask(dsn, "SELECT datname FROM pg_database WHERE datallowconn"):
            inside = dsn.replace("/postgres", f"/{database}")
            if await _ask(inside, "SELECT 1 FROM pg_namespace WHERE nspname = 'gate'"):
                held[f"{name}/{database}"] = await _ask(
                    inside, "SELECT id FROM gate.key ORDER BY 1"
                )
    return held


async def _ask(dsn: str, statement: str) -> list[int]:
    connection = await asyncpg.connect(dsn, ssl=False)
    try:
        return [row[0] for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def test_the_gates_key_is_replaced_under_load(stack: Stack) -> None:
    before = await keys_of(stack)
    assert len(before) >= 2
    statuses: list[int] = []
    with contextlib.ExitStack() as opened:
        clients = [
            opened.enter_context(stack.call(slug, gateway=number % 2))
            for number, slug in enumerate(SLUGS)
        ]

        def write_once() -> None:
            for client in clients:
                answer = client.post("/genres", json={"name": f"genre {len(statuses)}"})
                statuses.append(answer.status_code)

        rotation = stack.start("gate", "rotate", "--json")
        while rotation.poll() is None:
            write_once()
            await asyncio.sleep(WRITE_PAUSE_S)
        out, err = rotation.communicate()
        assert rotation.returncode == 0, err
        write_once()
    assert set(statuses) == {201}
    assert len(statuses) > 100
    done = msgspec.json.decode(out, type=Rotation)
    assert [*done.retired] == next(iter(before.values()))
    after = await keys_of(stack)
    assert after.keys() == before.keys()
    assert {tuple(keys) for keys in after.values()} == {(done.current,)}


async def test_a_database_that_is_made_later_holds_the_new_key_alone(stack: Stack) -> None:
    current = {tuple(keys) for keys in (await keys_of(stack)).values()}
    stack.ask(
        *("tenant", "create", "--name", "After", "--slug", "after-rotation"),
        *("--plan", "enterprise", "--owner", "owner@after.example", "--wait"),
    )
    assert {tuple(keys) for keys in (await keys_of(stack)).values()} == current


async def test_an_older_gate_is_replaced_by_this_versions(stack: Stack) -> None:
    _, clusters = stack.dsns()
    shared = clusters["shared-1"].replace("/postgres", "/stepwell_shared")
    older = "CREATE OR REPLACE FUNCTION gate.claimed() RETURNS uuid STABLE RETURN NULL::uuid"
    connection = await asyncpg.connect(shared, ssl=False)
    await connection.execute(older)
    await connection.close()
    assert "gate-functions" in stack.ask("doctor").out
    assert stack.ask("gate", "install", "--json").document()["databases"] == len(
        await keys_of(stack)
    )
    assert stack.ask("doctor").out == ""
    with stack.call("corner-records") as client:
        assert client.post("/genres", json={"name": "Renewed"}).status_code == 201
