"""How migrations of the product begin, and what their runner is given."""

from __future__ import annotations

import os
import socket
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from deploy.doctor import DatabaseName, Patient, examine
from deploy.filling import Filler, FillLimits
from deploy.sparing import Sparing
from migrations.product.render import render
from migrations.waves.chain import Chain
from migrations.waves.figures import WaveFigures
from migrations.waves.refusing import check
from migrations.waves.run import WaveHandler
from migrations.waves.terms import WaveLimits, WaveTerms
from promotion.faults import Faults, FaultSignal
from promotion.pace import PaceLimits
from router.catalog import waves
from router.catalog.moves import By
from router.catalog.runner import Runner, RunnerLimits
from router.catalog.wave_words import MIGRATION, Direction, Rules
from router.catalog.waves import NewMigration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client import CollectorRegistry

    from deploy.platform import Platform
    from migrations.product.render import RenderedProduct
    from router.catalog.wave_words import Migration, Place
    from router.connect import Connection


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants which revision everywhere, and how; ``head_start`` keeps workers away meanwhile."""

    rules: Rules
    by: By
    to: str | None = None
    head_start: timedelta = timedelta()


def make_handler(platform: Platform, registry: CollectorRegistry | None = None) -> WaveHandler:
    """Make what does operations of kind ``migration``; ``registry`` gets what it counts."""
    return WaveHandler(wave_terms(platform, registry))


def make_runner(platform: Platform) -> Runner:
    """Make a runner of migrations alone, for a command that works at one itself."""
    return Runner(
        platform.catalog,
        {MIGRATION: make_handler(platform)},
        name=f"{socket.gethostname()}:{os.getpid()}",
        limits=RunnerLimits(lease_s=platform.settings.operation_lease_s),
    )


def wave_terms(platform: Platform, registry: CollectorRegistry | None = None) -> WaveTerms:
    """Gather what a migration works with."""

    async def soundness(places: Sequence[Place]) -> Sequence[str]:
        return await _unsound(platform, places)

    settings = platform.settings
    pace = PaceLimits(share_min=settings.move_share_min)
    return WaveTerms(
        catalog=platform.catalog,
        fleet=platform.fleet,
        rendered=render(platform.loaded),
        limits=WaveLimits(),
        figures=WaveFigures(registry),
        fill=Filler(platform.fleet, FillLimits(pace=pace)),
        examine=soundness,
        spare=partial(Sparing, platform.fleet, pace),
        reach=Faults(settings.fault_point, FaultSignal(settings.fault_signal)).reach,
    )


async def begin(
    platform: Platform,
    rules: Rules,
    by: By,
    *,
    to: str | None = None,
    head_start: timedelta,
) -> Migration:
    """Record a migration to a revision, the newest one unless another is named."""
    wanted = Start(rules=rules, by=by, to=to, head_start=head_start)
    rendered = render(platform.loaded)
    async with platform.catalog.transaction() as connection:
        return await record(connection, rendered, wanted)


async def record(connection: Connection, rendered: RenderedProduct, wanted: Start) -> Migration:
    """Record a migration together with what else the transaction holds."""
    target = wanted.to or rendered.head
    source, direction = await find_way(connection, rendered, target)
    check(Chain(rendered, target, direction), source, ran=await waves.ran(connection))
    return await waves.begin(
        connection,
        NewMigration(
            target=target,
            source=source,
            direction=direction,
            rules=wanted.rules,
            by=wanted.by,
            head_start=wanted.head_start,
        ),
    )


async def find_way(
    connection: Connection, rendered: RenderedProduct, target: str
) -> tuple[str, Direction]:
    """Say where the fleet is, and whether the target lies ahead of it."""
    order = [revision.id for revision in rendered.revisions]
    chain = Chain(rendered, target, Direction.UP)
    known = [revision for _, revision, _ in await waves.known_places(connection)]
    places = [order.index(revision) for revision in known if revision in order]
    latest = await waves.latest_target(connection)
    # Where nobody looked yet, tenants are as they were born.
    highest = max(places, default=order.index(latest if latest in order else rendered.head))
    if highest <= order.index(target):
        return order[min(places, default=order.index(target))], Direction.UP
    Chain(rendered, chain.target, Direction.DOWN).check_way_back(order[highest])
    return order[highest], Direction.DOWN


async def _unsound(platform: Platform, places: Sequence[Place]) -> list[str]:
    """Have the doctor look at the databases of some places."""
    names = {(place.cluster, place.database) for place in places}
    patient = Patient(
        clusters=[],
        databases=[DatabaseName(cluster=cluster, database=name) for cluster, name in sorted(names)],
    )
    return [str(each) for each in await examine(platform.fleet, patient) if each.grave]
