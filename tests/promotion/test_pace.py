"""The pace: a move rests when it makes a server slow for others, and only then."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from promotion.pace import Feeler, Felt, Pace, PaceLimits, Probe, feel, next_share, rest_s
from promotion.side import Side
from router.words import Mode, Tier
from tests.worlds import world

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.worlds import Clusters, World

LIMITS = PaceLimits(probe_pause_s=0.001, still_every_s=0.05)


class Told(Pace):
    """What its probes take is said by the test; everything else is real."""

    still_ms: float
    working_ms: float

    async def _feel(self) -> None:
        await super()._feel()
        for feeler in self._feelers:
            for kept, took_ms in (
                (feeler.still, self.still_ms),
                (feeler.working, self.working_ms),
            ):
                if kept:
                    kept[-1] = Probe(took_ms=took_ms, others=kept[-1].others)


@pytest.fixture
async def made(clusters: Clusters) -> AsyncGenerator[World]:
    async with world(clusters) as made:
        yield made


async def share_after(made: World, pieces: int, *, still_ms: float, working_ms: float) -> float:
    """Work on so many pieces of a hundredth of a second each."""
    tenant = await made.tenant(Tier.ROWS)
    assert tenant.placement is not None
    side = Side(fleet=made.fleet, tenant_id=tenant.id, placement=tenant.placement)
    told = Told([side], LIMITS)
    told.still_ms, told.working_ms = still_ms, working_ms
    async with told.watching("a test") as pace:
        begun = pace.share
        for _ in range(pieces):
            await asyncio.sleep(0.01)
            await pace.rest()
            if pace.share != begun:
                break
        return pace.share


async def share_beside_others(made: World, *, still_ms: float, working_ms: float) -> float:
    tenant = await made.tenant(Tier.ROWS)
    lease = await made.dispatch.open(tenant, Mode.READ)
    try:
        return await share_after(made, 120, still_ms=still_ms, working_ms=working_ms)
    finally:
        await lease.rollback()


def probes(*took_ms: float) -> list[Probe]:
    return [Probe(took_ms=each, others=1) for each in took_ms]


def test_a_share_shrinks_at_once_and_grows_slowly() -> None:
    assert next_share(1.0, Felt.SLOWER, LIMITS) == pytest.approx(0.6)
    assert next_share(0.6, Felt.NOTHING, LIMITS) == pytest.approx(0.72)
    assert next_share(0.6, Felt.MAYBE, LIMITS) == 0.6
    assert next_share(0.98, Felt.NOTHING, LIMITS) == 1.0
    assert next_share(0.05, Felt.SLOWER, LIMITS) == LIMITS.share_min


def test_rest_makes_work_its_share_of_the_time_within_bounds() -> None:
    assert rest_s(0.1, 0.5, LIMITS) == pytest.approx(0.1)
    assert rest_s(0.1, 1.0, LIMITS) == 0.0
    assert rest_s(60.0, 0.05, LIMITS) == LIMITS.rest_s_max


def test_probes_that_all_take_longer_are_felt() -> None:
    assert feel(probes(3.0, 3.1, 2.9), probes(2.0, 2.1, 1.9), LIMITS) is Felt.SLOWER


def test_one_checkpoint_is_not_felt() -> None:
    assert feel(probes(*[2.0] * 9, 900.0), probes(*[2.0] * 9), LIMITS) is Felt.NOTHING


def test_what_may_be_chance_neither_shrinks_nor_grows() -> None:
    assert feel(probes(1.0, 9.0, 5.0), probes(1.0, 8.0, 4.5), LIMITS) is Felt.MAYBE


def test_less_than_anybody_notices_is_nothing() -> None:
    assert feel(probes(1.2, 1.2), probes(1.0, 1.0), LIMITS) is Felt.NOTHING


async def test_a_move_that_is_felt_rests(made: World) -> None:
    share = await share_beside_others(made, still_ms=2.0, working_ms=4.0)
    assert share < LIMITS.share_first


async def test_a_move_that_is_not_felt_takes_more_and_more(made: World) -> None:
    share = await share_beside_others(made, still_ms=40.0, working_ms=40.0)
    assert share > LIMITS.share_first


async def test_a_move_that_meets_nobody_never_rests(made: World) -> None:
    assert await share_after(made, 120, still_ms=2.0, working_ms=4.0) == 1.0


async def test_a_hurried_move_spares_nobody(made: World) -> None:
    tenant = await made.tenant(Tier.ROWS)
    assert tenant.placement is not None
    side = Side(fleet=made.fleet, tenant_id=tenant.id, placement=tenant.placement)
    pace = Told([side], LIMITS)
    pace.still_ms, pace.working_ms = 2.0, 40.0
    lease = await made.dispatch.open(tenant, Mode.READ)
    try:
        async with pace.watching("a test"):
            await asyncio.sleep(0.05)
            assert not is_over_at_once(pace), "it rests beside others, or stands still"
            pace.is_hurried = True
            assert is_over_at_once(pace)
    finally:
        await lease.rollback()


def is_over_at_once(pace: Pace) -> bool:
    """Whether a rest lets nobody else of this process work."""
    resting = pace.rest()
    try:
        resting.send(None)
    except StopIteration:
        return True
    resting.close()
    return False


async def test_a_probe_counts_others_and_not_the_platforms_own_moves(made: World) -> None:
    tenant = await made.tenant(Tier.ROWS)
    assert tenant.placement is not None
    side = Side(fleet=made.fleet, tenant_id=tenant.id, placement=tenant.placement)
    feeler = Feeler(side, LIMITS)
    async with feeler.connected("a test"), side.connection("another move") as other:
        await other.execute("BEGIN")
        assert (await feeler.probe()).others == 0
        lease = await made.dispatch.open(tenant, Mode.READ)
        try:
            assert (await feeler.probe()).others == 1
        finally:
            await lease.rollback()
