"""The stops find a gate that has lost one of its parts: what they say of the whole one counts."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import pytest

from router.words import Consistency, Tier
from tests.routes.stops import STOPS, among_writers

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.routes.stops import Roads

_LOCK = r"pg_advisory_xact_lock_shared\([^;]*?::bigint\)"
_SHARE = r"FOR SHARE OF h;"
_PLACE = r"h\.state = 'active'\s+AND h\.epoch = [^;]*?::bigint\s+AND"
_SOURCE = "SELECT pg_get_functiondef('gate.enter(text)'::regprocedure)"


@contextlib.asynccontextmanager
async def gate_without(roads: Roads, part: str, instead: str) -> AsyncGenerator[None]:
    """Take a part of the gate away in the shared database, for a while."""
    async with roads.mover.admin() as connection:
        whole = await connection.fetchval(_SOURCE)
        lame, count = re.subn(part, instead, whole)
        assert count == 1
        await connection.execute(lame)
        try:
            yield
        finally:
            await connection.execute(whole)


@pytest.mark.parametrize("consistency", list(Consistency))
async def test_without_the_lock_a_request_in_the_old_place_is_lost(
    scratch: Roads, consistency: Consistency
) -> None:
    async with gate_without(scratch, _LOCK, "pg_sleep(0)"):
        ended = await STOPS["after opening"](scratch, consistency, Tier.ROWS)
    assert ended.lost == {"in time"}


async def test_without_the_lock_writers_lose_rows(scratch: Roads) -> None:
    async with gate_without(scratch, _LOCK, "pg_sleep(0)"):
        lost = [
            len((await among_writers(scratch, Consistency.READ_COMMITTED, Tier.ROWS)).lost)
            for _ in range(6)
        ]
    assert sum(lost) > 0, lost


@pytest.mark.parametrize("consistency", [Consistency.REPEATABLE_READ, Consistency.SERIALIZABLE])
async def test_without_for_share_an_old_snapshot_believes_the_old_place(
    scratch: Roads, consistency: Consistency
) -> None:
    async with gate_without(scratch, _SHARE, ";"):
        ended = await STOPS["in opening"](scratch, consistency, Tier.ROWS)
    assert ended.lost == {"waited"}


@pytest.mark.parametrize("stop", ["before opening", "in opening"])
@pytest.mark.parametrize("consistency", list(Consistency))
async def test_without_state_and_epoch_any_route_is_believed(
    scratch: Roads, stop: str, consistency: Consistency
) -> None:
    async with gate_without(scratch, _PLACE, ""):
        ended = await STOPS[stop](scratch, consistency, Tier.ROWS)
    assert ended.lost == ended.acknowledged
