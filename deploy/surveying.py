"""What a migration would do, and what places look like: everything is read, and nothing kept."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from deploy.migrating import find_way, wave_terms
from migrations.waves.chain import Chain
from migrations.waves.crew import Crew
from migrations.waves.drift import Difference
from migrations.waves.looking import Lookout, entry_of
from migrations.waves.refusing import refusal
from router.catalog import waves
from router.catalog.wave_words import Direction
from router.words import Tier

if TYPE_CHECKING:
    from deploy.platform import Platform
    from migrations.waves.looking import View
    from migrations.waves.plan import Entry
    from router.catalog.wave_words import Place, Rules


class PlannedPlace(msgspec.Struct, frozen=True, kw_only=True):
    """What would run at one place, in which wave, and what keeps it from running now."""

    cluster: str
    database: str
    schema: str
    tier: Tier
    wave: int
    revisions: tuple[str, ...]
    waits_for: str | None


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a migration would do; ``refused`` says why it would not begin."""

    target: str
    direction: Direction
    places: int
    behind: int
    waves: tuple[int, ...]
    refused: str | None
    planned: tuple[PlannedPlace, ...]


class DriftLine(msgspec.Struct, frozen=True, kw_only=True):
    """One thing of one place that isn't as its revision makes it, and what makes it so."""

    cluster: str
    database: str
    schema: str
    revision: str
    table: str
    kind: str
    name: str
    wanted: str | None
    found: str | None
    repair: str


class DriftReport(msgspec.Struct, frozen=True, kw_only=True):
    """How the places' tables differ from what their revisions make.

    ``unknown`` says of places why they couldn't be compared.
    """

    compared: int
    unknown: dict[str, str]
    drift: tuple[DriftLine, ...]


async def rehearse(platform: Platform, rules: Rules, *, to: str | None = None) -> DryRun:
    """Say what a migration would do where, and whether it would be refused."""
    rendered = wave_terms(platform).rendered
    target = to or rendered.head
    async with platform.catalog.connection() as connection:
        _, direction = await find_way(connection, rendered, target)
        places = await waves.list_places(connection)
        occupied = await waves.occupied(connection)
        ran = await waves.ran(connection)
    chain = Chain(rendered, target, direction)
    view = await _look(platform, chain, places, also_done=False)
    entries = [entry_of(place, view, chain, rules) for place in places]
    behind = [each for each in entries if each.to_do]
    counts = [sum(each.wave == number for each in behind) for number in range(1, rules.waves + 1)]
    moving = {key: each.told for key, each in occupied.items()}
    return DryRun(
        target=target,
        direction=direction,
        places=len(places),
        behind=len(behind),
        waves=tuple(counts),
        refused=refusal(chain, behind, ran={**view.ran, **ran}),
        planned=tuple(_planned(each, moving.get(each.place.key)) for each in behind),
    )


async def find_drift(platform: Platform) -> DriftReport:
    """Compare every place's tables with what its revision makes."""
    rendered = wave_terms(platform).rendered
    async with platform.catalog.connection() as connection:
        places = await waves.list_places(connection)
    chain = Chain(rendered, rendered.head, Direction.UP)
    view = await _look(platform, chain, places, also_done=True)
    unknown = {str(place): reason for place in places if (reason := _unknown(place, view, chain))}
    lines = [
        _drift_line(place, view.seen[place.cluster, place.database][place.schema].revision, each)
        for place in places
        for each in view.drifted.get(place.key, ())
    ]
    return DriftReport(compared=len(places) - len(unknown), unknown=unknown, drift=tuple(lines))


async def _look(platform: Platform, chain: Chain, places: list[Place], *, also_done: bool) -> View:
    terms = wave_terms(platform)
    async with terms.spare() as turns:
        with contextlib.closing(Crew(platform.fleet)) as crew:
            lookout = Lookout(crew, chain, turns, at_once_max=terms.limits.look_at_once_max)
            return await lookout.look_around(places, also_done=also_done)


def _planned(entry: Entry, told_move: str | None) -> PlannedPlace:
    place = entry.place
    return PlannedPlace(
        cluster=place.cluster,
        database=place.database,
        schema=place.schema,
        tier=place.tier,
        wave=entry.wave,
        revisions=entry.to_do,
        waits_for=entry.waits_for or told_move,
    )


def _unknown(place: Place, view: View, chain: Chain) -> str | None:
    """Say why a place's tables couldn't be compared."""
    database = (place.cluster, place.database)
    if database in view.silent:
        return view.silent[database]
    seen = view.seen[database].get(place.schema)
    if seen is None:
        return "the product's tables aren't there"
    if not chain.is_prefix(seen):
        return f"it is between revisions, or at one that isn't known here: {seen.revision}"
    if not chain.is_shape_known(seen.revision):
        return "a revision in Python ran there, which may do something else in each place"
    return None


def _drift_line(place: Place, revision: str, each: Difference) -> DriftLine:
    return DriftLine(
        cluster=place.cluster,
        database=place.database,
        schema=place.schema,
        revision=revision,
        table=each.table,
        kind=each.kind,
        name=each.name,
        wanted=each.wanted,
        found=each.found,
        repair=each.repair,
    )
