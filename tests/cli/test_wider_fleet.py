"""A cluster that an operator adds takes tenants; the last file, for its server ends with it."""

from __future__ import annotations

from pathlib import Path

import httpx

from deploy.scratch import scratch_database
from router.product.plug import load
from tests.cli.worlds import Stack
from tests.worlds import STORE_PRODUCT


async def test_an_added_cluster_takes_tenants(stack: Stack, tmp_path: Path) -> None:
    async with scratch_database(load(STORE_PRODUCT)) as address:
        file = tmp_path / "dsn"
        file.write_text(address.dsn() + "\n", encoding="utf-8")
        add = ("cluster", "add", "extra-1", "--dsn-file", str(file), "--role", "shared")
        added = stack.ask(*add, "--region", "moon", "--capacity", "3", "--json").document()
        assert (added["name"], added["tenants"], added["region"]) == ("extra-1", 0, "moon")
        assert "already" in stack.ask(*add, "--region", "moon", "--capacity", "3").sentence()
        made = stack.ask(
            *("tenant", "create", "--name", "Lunar", "--slug", "lunar", "--plan", "pro"),
            *("--owner", "owner@lunar.example", "--cluster", "extra-1", "--wait", "--json"),
        ).document()
        assert isinstance(made["tenant"], dict)
        assert made["tenant"]["placement"]["cluster"] == "extra-1"
        key = stack.ask("key", "create", "lunar", "--name", "test", "--json").document()
        headers = {"Authorization": f"Bearer {key['secret']}"}
        async with httpx.AsyncClient(headers=headers) as client:
            answer = await client.get(f"http://{stack.status().gateways[0]}/artists")
        assert answer.json() == {"items": [], "next": None}


def test_a_catalog_that_is_up_to_date_stays_as_it_is(stack: Stack) -> None:
    assert stack.ask("migrate", "catalog", "--json").document() == {"applied": []}
