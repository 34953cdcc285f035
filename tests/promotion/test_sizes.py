"""A tenant has as much as it has, in whichever tier, whoever else is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from promotion.shape import shape_of
from promotion.side import Side
from promotion.sizes import measure
from router.words import Tier
from tests.promotion.scenes import fill, odd_world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from router.catalog.move_words import TableSize
    from tests.worlds import Clusters, World


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def odd(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[World]:
    async with odd_world(clusters, tmp_path_factory.mktemp("odd")) as built:
        yield built


async def measured(odd: World, tier: Tier, rows: int) -> tuple[TableSize, ...]:
    tenant = await odd.tenant(tier)
    assert tenant.placement is not None
    side = Side(fleet=odd.fleet, tenant_id=tenant.id, placement=tenant.placement)
    if rows:
        await fill(side, rows)
    return await measure(side, shape_of(odd.loaded.stored))


@pytest.mark.parametrize("tier", list(Tier))
async def test_every_table_is_counted_and_nobody_elses_rows(odd: World, tier: Tier) -> None:
    await measured(odd, tier, 7)
    nothing = await measured(odd, tier, 0)
    assert [each.table for each in nothing] == [
        table.name for table in shape_of(odd.loaded.stored).tables
    ]
    assert {(each.rows, each.bytes) for each in nothing} == {(0, 0)}
    sizes = {each.table: each for each in await measured(odd, tier, 30)}
    assert sizes["node"].rows == 30
    assert sizes["node"].bytes > 30 * 16


async def test_a_tenant_is_as_large_in_every_tier(odd: World) -> None:
    counted = [await measured(odd, tier, 20) for tier in Tier]
    assert len({tuple((each.table, each.rows) for each in sizes) for sizes in counted}) == 1
    totals = [sum(each.bytes for each in sizes) for sizes in counted]
    assert max(totals) <= 1.05 * min(totals)
