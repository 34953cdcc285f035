"""The audit that operators verify over HTTP, and the chore that seals it."""

from __future__ import annotations

import asyncio
from typing import Any

from deploy.sealing import keep_sealed
from tests.gateways import Customer, GatewayWorld, expect, ops

PATH = "/api/ops/audit/verify"
DEADLINE_S = 30.0


async def test_a_worker_seals_what_was_written(made: GatewayWorld, shop: Customer) -> None:
    sealing = asyncio.create_task(keep_sealed(made.platform))
    try:
        async with asyncio.timeout(DEADLINE_S):
            while (told := await verify(made))["head"] is None:
                await asyncio.sleep(0.05)
    finally:
        sealing.cancel()
        await asyncio.gather(sealing, return_exceptions=True)
    assert told["whole"], told
    assert told["entries"] > told["newer"]
    assert (await verify(made, told["head"]))["whole"], shop.slug


async def test_a_head_that_no_seal_has_is_a_break(made: GatewayWorld) -> None:
    told = await verify(made, "ab" * 32)
    assert not told["whole"]
    assert [each["kind"] for each in told["breaks"]] == ["unexpected"]


async def test_what_cannot_be_a_head_is_refused(made: GatewayWorld) -> None:
    for wrong in ("", "abc", "AB" * 32, "x" * 64):
        expect(await made.client.get(PATH, params={"expect": wrong}, headers=ops()), 400)


async def test_only_operators_verify(made: GatewayWorld, shop: Customer) -> None:
    expect(await made.client.get(PATH), 401)
    expect(await made.client.get(PATH, headers=shop.headers), 401)


async def verify(made: GatewayWorld, expected: str | None = None) -> dict[str, Any]:
    params = {} if expected is None else {"expect": expected}
    return expect(await made.client.get(PATH, params=params, headers=ops()), 200)
