"""``stepwell overview``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli.reach import platform_at
from deploy.cli.shell import asynchronous, json_option, say, state_option
from deploy.cli.show import show_fields, show_json, show_table
from router.catalog import overview as standing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from router.catalog.overview import ClusterShort, Overview


@click.command()
@state_option
@json_option
@asynchronous
async def overview(*, state: Path, as_json: bool) -> None:
    """Show how everything stands: tenants, moves, migrations, billing, mail, clusters.

    It asks the catalog alone; the clusters are as a worker measured them last.
    """
    async with platform_at(state) as platform, platform.catalog.connection() as connection:
        revisions = [revision for revision, _ in platform.blueprint.applied]
        found = await standing.read(connection, revisions)
    if as_json:
        show_json(found)
        return
    show_fields(_fields(found))
    rows = [_row(each) for each in found.clusters]
    show_table(
        ("cluster", "role", "state", "tenants", "connections", "databases", "bytes", "measured"),
        rows,
        empty="there is no cluster yet: add one with `stepwell cluster add`",
    )
    for line in _troubles(found):
        say(line)


def _fields(found: Overview) -> Mapping[str, object]:
    figures, going, compared = found.figures, found.migration, found.comparison
    return {
        "as of": f"{found.at:%Y-%m-%d %H:%M:%S} UTC",
        "tenants": ", ".join(
            f"{each.tenants} {each.status.value} in {each.tier.value if each.tier else 'no place'}"
            for each in found.tenants
        )
        or "none",
        "elsewhere": figures.tenants_elsewhere,
        "moves": f"{figures.moves_running} running, {figures.moves_paused} paused, "
        f"{figures.moves_held} held, {figures.moves_failed} failed in a week",
        "migration": going
        and f"{going.state.value} to {going.target}: {going.done} of {going.places} places",
        "places": f"{found.places}, {found.places_behind} behind, {found.places_unseen} not seen",
        "inbox": f"{figures.events_waiting} waiting, the oldest for {figures.events_oldest_s:.0f} "
        f"s; {figures.events_kept} given up",
        "comparison": compared
        and f"{compared.differences} differences, {compared.failures} failures, "
        f"{compared.at:%Y-%m-%d %H:%M:%S} UTC",
        "operations": f"{figures.operations_failed} failed in a week, "
        f"{figures.operations_retrying} tried again",
        "letters": f"{figures.letters_waiting} waiting, {figures.letters_postponed} of them "
        f"postponed; {figures.letters_given_up} given up in a week",
        "isolation": f"{found.findings} findings, {found.findings_grave} grave"
        if found.looked_at
        else "nobody looked yet",
        "staff inside": figures.accesses_active,
    }


def _row(each: ClusterShort) -> tuple[object, ...]:
    known = each.figures
    return (
        each.name,
        each.role.value,
        each.state.value,
        f"{each.tenants} of {each.capacity}",
        known and f"{known.connections_used} of {known.connections_max}",
        known and known.databases,
        known and known.bytes,
        each.measured_at and f"{each.measured_at:%Y-%m-%d %H:%M:%S}",
    )


def _troubles(found: Overview) -> Iterator[str]:
    for each in found.clusters:
        if each.error is not None:
            yield f"cluster {each.name} wasn't measured: {each.error}"
