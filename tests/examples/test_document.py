"""What the store says about itself in its OpenAPI document."""

from __future__ import annotations

from typing import Any

import pytest
from httpx import AsyncClient

from examples.store.models import TABLES

Operations = list[tuple[str, dict[str, Any]]]


@pytest.fixture
async def operations(shop: AsyncClient) -> Operations:
    document = (await shop.get("/schema/openapi.json")).json()
    return [
        (f"{method.upper()} {path}", operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


async def test_every_route_has_a_summary_and_a_tag(operations: Operations) -> None:
    assert len(operations) == 9 * 5 + 3 + 3
    for name, operation in operations:
        assert operation.get("summary"), name
        assert operation.get("tags"), name


async def test_every_number_in_a_path_may_lead_nowhere(operations: Operations) -> None:
    for name, operation in operations:
        assert ("404" in operation["responses"]) == ("{" in name), name


async def test_files_are_documented_with_their_tables(operations: Operations) -> None:
    named = dict(operations)
    for name in ("POST /import/{table_name}", "GET /export/{table_name}"):
        (table,) = named[name]["parameters"]
        assert table["schema"]["enum"] == list(TABLES)
    assert "text/csv" in named["POST /import/{table_name}"]["requestBody"]["content"]
    assert "text/csv" in named["GET /export/{table_name}"]["responses"]["200"]["content"]


async def test_amounts_are_strings(shop: AsyncClient) -> None:
    schemas = (await shop.get("/schema/openapi.json")).json()["components"]["schemas"]
    assert schemas["TrackRow"]["properties"]["unit_price"]["type"] == "string"
    assert schemas["NewTrack"]["properties"]["unit_price"]["description"]
    assert "additionalProperties" not in schemas["TrackRow"]
