"""A round in slices is the round: where its keys are kept, and where the log tells them again."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
import pytest_asyncio

from promotion.slices import Logged, Sizes, find_slices
from router.words import Consistency, Tier
from tests.promotion.deeds import do, draw_deeds
from tests.promotion.following import BOUNDS, chase, knots_world
from tests.promotion.test_changes import FIRST, STORIES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.promotion.following import Chase
    from tests.worlds import Clusters, World

#: None of the keys is kept, and two rows are never in one slice.
LOGGED: Final = Sizes(keys_max=0, keys_a_slice=1)
LISTED: Final = Sizes(keys_a_slice=2)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[World]:
    async with knots_world(clusters, tmp_path_factory.mktemp("knots")) as made:
        yield made


def slice_by(run: Chase, sizes: Sizes) -> None:
    run.stream = msgspec.structs.replace(run.stream, sizes=sizes)


@pytest.mark.parametrize("sizes", [LOGGED, LISTED], ids=["logged", "listed"])
@pytest.mark.parametrize("story", list(STORIES))
async def test_every_story_is_told_in_slices(world: World, story: str, sizes: Sizes) -> None:
    async with chase(world) as run:
        slice_by(run, sizes)
        await run.write(*FIRST)
        await run.round()
        await run.assert_equal()
        await run.write(*STORIES[story])
        await run.round()
        await run.assert_equal()


@pytest.mark.parametrize("seed", range(6))
async def test_after_any_transactions_the_target_is_the_source(world: World, seed: int) -> None:
    dice = Random(seed)
    tiers = ((Tier.ROWS, Tier.SCHEMA), (Tier.SCHEMA, Tier.ROWS))[seed % 2]
    async with chase(world, *tiers) as run:
        await run.write(*FIRST)
        for _ in range(6):
            slice_by(run, Sizes(keys_max=dice.choice((0, 3)), keys_a_slice=dice.randint(1, 4)))
            for _ in range(dice.randint(1, 8)):
                await do(run, draw_deeds(dice), dice)
            await run.round()
            await run.assert_equal()


async def test_keys_that_do_not_fit_are_told_by_the_log_each_time(world: World) -> None:
    async with chase(world) as run:
        await run.write(
            "INSERT INTO node (node_id, name) OVERRIDING SYSTEM VALUE"
            " SELECT n, 'node ' || n FROM generate_series(1, 2500) AS n"
        )
        table = run.stream.shape.table("node")
        async with run.stream.source.transaction(
            run.source, Consistency.REPEATABLE_READ, bounds=BOUNDS, is_read_only=True
        ):
            slices = await find_slices(
                run.source, run.stream.reading, since=None, sizes=Sizes(keys_max=2_499)
            )
            assert isinstance(slices, Logged)
            assert slices.count == 2_500
            await run.write(
                "INSERT INTO node (node_id, name) OVERRIDING SYSTEM VALUE VALUES (0, '')"
            )
            for _ in range(2):
                found = [keys async for keys in slices.of(table)]
                assert [len(keys) for keys in found] == [1_000, 1_000, 500]
                told = {key for keys in found for key in keys}
                assert len(told) == 2_500
                assert "[0]" not in told
        slice_by(run, Sizes(keys_max=1_000))
        made = await run.round()
        assert (made.keys, made.rows, made.was_entangled) == (2_501, 2_501, False)
        await run.write("DELETE FROM node WHERE node_id > 1200")
        assert (await run.round()).keys == 1_300
        await run.assert_equal()
