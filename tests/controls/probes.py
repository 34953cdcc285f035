"""The probes, by the names under which holes know them: each answers what it got through."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from deploy.doctor import Patient
from tests.controls.forgery import forgery
from tests.controls.matrix import matrix
from tests.controls.poison import poison
from tests.controls.stale import stale
from tests.doctor.plants import examined, name_of

if TYPE_CHECKING:
    from tests.controls.scene import Scene


async def doctor(scene: Scene) -> list[str]:
    """What the doctor finds in the victim's database and its cluster."""
    patient = Patient(clusters=[scene.target.cluster], databases=[name_of(scene.target)])
    return [str(each) for each in await examined(scene.world.fleet, patient)]


PROBES = MappingProxyType(
    {"doctor": doctor, "forgery": forgery, "matrix": matrix, "poison": poison, "stale": stale}
)
