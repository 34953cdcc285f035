"""How people are shown what a migration would do, and what differs from the revisions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from deploy.cli.shell import say
from deploy.cli.show import show_fields, show_json, show_table

if TYPE_CHECKING:
    from deploy.surveying import DriftReport, DryRun


def show_dry_run(told: DryRun, *, as_json: bool) -> None:
    """Show it; exit status 1 where the migration would be refused."""
    if as_json:
        show_json(told)
    else:
        way = "is brought to" if told.direction.value == "up" else "is taken back to"
        show_fields({"target": told.target, "places": told.places, "behind": told.behind})
        show_table(
            ("wave", "place", "tier", "revisions", "waits for"),
            [
                (
                    each.wave,
                    f"{each.cluster}/{each.database}/{each.schema}",
                    each.tier.value,
                    ", ".join(each.revisions),
                    each.waits_for,
                )
                for each in sorted(told.planned, key=lambda each: each.wave)
            ],
            empty=f"no place {way} {told.target}: each of them is there",
        )
        if told.refused is not None:
            say(f"it would be refused: {told.refused}")
    if told.refused is not None:
        raise click.exceptions.Exit(1)


def show_drift(report: DriftReport, *, as_json: bool) -> None:
    """Show it; exit status 1 where something differs."""
    if as_json:
        show_json(report)
    else:
        for each in report.drift:
            place = f"{each.cluster}/{each.database}/{each.schema}"
            click.echo(
                f"{place}: table {each.table}: {each.kind} {each.name}: "
                f"{each.found or 'missing'}; revision {each.revision} makes it "
                f"{each.wanted or 'not at all'}: {each.repair}"
            )
        for place, reason in report.unknown.items():
            say(f"{place} wasn't compared: {reason}")
        say(f"{report.compared} places compared, {len(report.drift)} differences")
    if report.drift:
        raise click.exceptions.Exit(1)
