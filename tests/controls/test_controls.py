"""Each planted hole is found by every probe that claims to find it, and none sees one without."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.controls.holes import HOLES, Hole
from tests.controls.probes import PROBES
from tests.doctor.plants import KINDS

if TYPE_CHECKING:
    from router.words import Isolation, Tier
    from tests.controls.scene import Scene

HOLES_MIN = 25


async def reports(scene: Scene, probe: str) -> list[str]:
    # A connection that is open already may remember plans from before the hole.
    await scene.world.sources.close()
    return await PROBES[probe](scene)


def test_there_are_enough_holes_and_each_probe_has_some() -> None:
    assert len({hole.name for hole in HOLES}) == len(HOLES) >= HOLES_MIN
    assert {probe for hole in HOLES for probe in hole.probes} == set(PROBES)


@pytest.mark.parametrize("hole", HOLES, ids=lambda hole: hole.name)
async def test_a_planted_hole_is_found(made: Scene, hole: Hole) -> None:
    scene = made.between(hole.attacker, hole.victim)
    assert [told for probe in hole.probes for told in await reports(scene, probe)] == []
    async with hole.open(scene):
        found = {probe: await reports(scene, probe) for probe in hole.probes}
    assert [probe for probe, told in found.items() if not told] == []


@pytest.mark.parametrize("probe", ["doctor", "forgery", "matrix", "stale"])
@pytest.mark.parametrize("kind", KINDS, ids="-".join)
async def test_a_world_without_a_hole_is_clean(
    made: Scene, kind: tuple[Tier, Isolation], probe: str
) -> None:
    assert await reports(made.between(kind, kind), probe) == []
