"""All eleven files go in over HTTP and come out byte for byte, wherever the rows live."""

from __future__ import annotations

import asyncio

import pytest

from router.words import Tier
from tests.gateways import Customer, GatewayWorld, at, expect, make_tenant
from tests.real.conftest import Files

MORE_STARTERS = 20
AT_ONCE = 4
CHINOOK_ROWS = 15_607


async def load(made: GatewayWorld, customer: Customer, files: Files) -> None:
    """Import every file and check that everything is there."""
    headers = {**customer.headers, **at(customer.slug)}
    loaded = 0
    for name, content in files.content.items():
        answer = await made.client.post(f"/import/{name}", content=content, headers=headers)
        loaded += expect(answer, 201)["rows"]
    assert loaded == files.rows
    for name, content in files.content.items():
        answer = await made.client.get(f"/export/{name}", headers=headers)
        assert answer.status_code == 200
        assert answer.content == content, f"{name} of {customer.slug} came back changed"
    report = expect(await made.client.get("/reports/revenue", headers=headers), 200)
    assert report["total"] == files.revenue


@pytest.mark.parametrize("tier", list(Tier))
async def test_every_file_comes_back_byte_for_byte(
    made: GatewayWorld, files: Files, tier: Tier
) -> None:
    customer = await make_tenant(made, tier)
    await load(made, customer, files)
    answer = await made.client.post(
        "/artists", json={"name": "new"}, headers={**customer.headers, **at(customer.slug)}
    )
    assert expect(answer, 201)["artist_id"] == files.artists + 1


@pytest.mark.timeout(300)
async def test_twenty_more_starters_hold_the_same_rows(made: GatewayWorld, files: Files) -> None:
    free = asyncio.Semaphore(AT_ONCE)

    async def one() -> None:
        async with free:
            await load(made, await make_tenant(made, Tier.ROWS), files)

    await asyncio.gather(*(one() for _ in range(MORE_STARTERS)))


def test_the_real_files_are_what_was_promised(files: Files) -> None:
    if files.revenue == "2328.60":
        assert files.rows == CHINOOK_ROWS
    assert list(files.content)[-1] == "playlist_track"
