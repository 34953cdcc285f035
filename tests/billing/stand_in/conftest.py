"""One stand-in that most tests share: each has customers and clocks of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest_asyncio

from tests.billing.stand_in.running import StandIn, stand_in
from tests.billing.stand_in.shop import Shop, opened

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running() -> AsyncGenerator[StandIn]:
    async with stand_in() as started:
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def shop(running: StandIn) -> AsyncGenerator[Shop]:
    async with opened(running) as shop:
        yield shop
