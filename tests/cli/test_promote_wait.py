"""A small tenant is promoted while somebody waits at the command line."""

from __future__ import annotations

import time
import uuid
from typing import Any

import httpx

from examples.store.generate import Size, generate_csv
from tests.cli.worlds import Stack

#: The mark is 3 s for 15,000 rows on two quiet cores; a machine that runs other tests gets more.
PROMOTE_S_MAX = 10.0
#: As many rows as the Chinook files hold.
SIZE = Size(artists=275, tracks_an_album=6, customers=60, invoices=1_000, lines_an_invoice=7)
ROWS_MIN = 12_000


def shop(stack: Stack) -> tuple[str, int]:
    """Make a starter tenant and fill it; return its slug and its rows."""
    slug = f"waited-{uuid.uuid4().hex[:8]}"
    made = stack.ask(
        *("tenant", "create", "--name", "Waited", "--slug", slug, "--plan", "starter"),
        *("--owner", f"owner@{slug}.example", "--wait", "--json"),
    )
    assert made.status == 0, made.err
    key = stack.ask("key", "create", slug, "--name", "import", "--role", "admin", "--json")
    headers = {"Authorization": f"Bearer {key.document()['secret']}", "X-Tenant": slug}
    rows = 0
    with httpx.Client(base_url=f"http://{stack.status().gateways[0]}", timeout=60) as client:
        for name, content in generate_csv(seed=3, size=SIZE).items():
            answer = client.post(f"/import/{name}", content=content, headers=headers)
            assert answer.status_code == 201, answer.text
            rows += answer.json()["rows"]
    return slug, rows


def test_an_idle_starter_is_promoted_within_seconds(stack: Stack) -> None:
    slug, rows = shop(stack)
    assert rows > ROWS_MIN
    began = time.monotonic()
    told: dict[str, Any] = stack.ask(
        "promote", slug, "--to", "schema", "--wait", "--json"
    ).document()
    took_s = time.monotonic() - began
    print(f"{rows} rows in {took_s:.2f} s, {told['move']}")  # noqa: T201 - the figure, with -s
    assert told["move"]["state"] == "done"
    assert told["move"]["rows_copied"] == rows
    assert took_s < PROMOTE_S_MAX
