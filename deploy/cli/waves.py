"""``stepwell migrate tenants|status|pause|cancel``: revisions of the product, in waves."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.progress import Progress

from deploy import migrating, surveying
from deploy.cli.foreseen import show_drift, show_dry_run
from deploy.cli.reach import catalog_at, platform_at
from deploy.cli.shell import ACTOR, Failed, asynchronous, json_option, say, state_option
from deploy.cli.show import show_fields, show_json, show_table
from router.catalog import waves
from router.catalog.moves import By
from router.catalog.wave_words import (
    PERCENTS,
    PLACES_AT_ONCE,
    MigrationState,
    Rules,
)
from router.errors import NotFound

if TYPE_CHECKING:
    from uuid import UUID

    from deploy.platform import Platform
    from router.catalog import Catalog
    from router.catalog.wave_words import Migration, MigrationDocument

_HEAD_START = timedelta(seconds=5)
_LOOK_S = 0.3
_BY = By(actor=ACTOR, reason="an operator's command")


@click.command()
@click.option("--to", metavar="REV", help="The revision; an older one takes the later ones back.")
@click.option(
    "--canary", "canaries", multiple=True, metavar="T", help="A tenant of the first wave."
)
@click.option(
    "--percent",
    "percents",
    type=click.IntRange(1, 99),
    multiple=True,
    help="How many of the other places a wave has; once for each wave before the last.",
)
@click.option("--wave", "wave_max", type=click.IntRange(1), help="Pause after this wave.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 64),
    default=PLACES_AT_ONCE,
    show_default=True,
    help="Transactions at once on a cluster.",
)
@click.option(
    "--halt-after",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Places that may fail before nothing more is begun.",
)
@click.option("--resume", is_flag=True, help="Go on with one that is paused or halted.")
@click.option("--dry-run", is_flag=True, help="Say what would run where, and do nothing.")
@state_option
@json_option
@asynchronous
async def tenants(  # noqa: PLR0913 - one for each option
    *,
    to: str | None,
    canaries: tuple[str, ...],
    percents: tuple[int, ...],
    wave_max: int | None,
    jobs: int,
    halt_after: int,
    resume: bool,
    dry_run: bool,
    state: Path,
    as_json: bool,
) -> None:
    """Bring every place where tenants live to a revision of the product, in waves.

    Canaries first, then some percent of the places, then the rest. Killed anywhere, it is gone on
    with by a worker, or by --resume; each revision runs once in each place.
    """
    async with platform_at(state) as platform:
        async with platform.catalog.connection() as connection:
            places = tuple([await waves.place_of(connection, each) for each in canaries])
        rules = Rules(
            canaries=places,
            percents=percents or PERCENTS,
            jobs=jobs,
            halt_after=halt_after,
            wave_max=wave_max,
        )
        if dry_run:
            show_dry_run(await surveying.rehearse(platform, rules, to=to), as_json=as_json)
            return
        if resume:
            migration = await _resume(platform, rules)
        else:
            migration = await migrating.begin(platform, rules, _BY, to=to, head_start=_HEAD_START)
        document = await _follow(platform, migration.id)
    if as_json:
        show_json(document)
    _judge(document)


@click.command()
@click.option(
    "--drift", is_flag=True, help="Compare each place's tables with what its revision makes."
)
@state_option
@json_option
@asynchronous
async def status(*, drift: bool, state: Path, as_json: bool) -> None:
    """Show how the open migration stands, or the latest one, wave by wave.

    With --drift it names what somebody altered by hand, with the repair; exit status 1 where there
    is something.
    """
    if drift:
        async with platform_at(state) as platform:
            show_drift(await surveying.find_drift(platform), as_json=as_json)
        return
    async with catalog_at(state) as catalog:
        document = await _latest(catalog)
    if as_json:
        show_json(document)
        return
    if document is None:
        say("nothing was migrated yet")
        return
    show_fields(
        {
            "migration": document.id,
            "state": document.state.value,
            "target": document.target,
            "wave": f"{document.wave} of {len(document.waves)}",
            "rows filled": document.rows_filled,
            "error": document.error,
        }
    )
    show_table(
        ("wave", "places", "done", "running", "pending", "failed", "skipped"),
        [
            (w.wave, w.places, w.done, w.running, w.pending, w.failed, w.skipped)
            for w in document.waves
        ],
        empty="it has no waves",
    )
    for each in document.failures:
        say(f"{each.cluster}/{each.database}/{each.schema} {each.state.value}: {each.error}")


@click.command()
@state_option
@json_option
@asynchronous
async def pause(*, state: Path, as_json: bool) -> None:
    """Have the open migration stop after the places at which it works now."""
    async with catalog_at(state) as catalog:
        going = await _open(catalog)
        async with catalog.transaction() as connection:
            migration = await waves.pause(connection, going.id, _BY)
            document = await waves.document(connection, migration)
    if as_json:
        show_json(document)
    else:
        say(f"the migration {migration.id} is paused: `migrate tenants --resume` goes on")


@click.command()
@state_option
@json_option
@asynchronous
async def cancel(*, state: Path, as_json: bool) -> None:
    """End the open migration where it stands; places keep what they have."""
    async with catalog_at(state) as catalog:
        going = await _open(catalog)
        async with catalog.transaction() as connection:
            migration = await waves.cancel(connection, going.id, _BY)
            document = await waves.document(connection, migration)
    if as_json:
        show_json(document)
    else:
        say(f"the migration {migration.id} is cancelled")


async def _resume(platform: Platform, rules: Rules) -> Migration:
    going = await _open(platform.catalog)
    kept = Rules(
        canaries=going.rules.canaries,
        percents=going.rules.percents,
        jobs=rules.jobs,
        halt_after=rules.halt_after,
        wave_max=rules.wave_max,
    )
    async with platform.catalog.transaction() as connection:
        return await waves.resume(connection, going.id, _BY, rules=kept, head_start=_HEAD_START)


async def _open(catalog: Catalog) -> Migration:
    async with catalog.connection() as connection:
        going = await waves.find_open(connection)
    if going is None:
        raise NotFound("no migration is open: `migrate tenants` begins one")
    return going


async def _latest(catalog: Catalog) -> MigrationDocument | None:
    async with catalog.connection() as connection:
        page = await waves.list_page(connection, items_max=1)
        return await waves.document(connection, page.items[0]) if page.items else None


async def _follow(platform: Platform, migration_id: UUID) -> MigrationDocument:
    """Work at it here until it ends or waits for others, and show how far it is."""
    runner = migrating.make_runner(platform)
    console = Console(stderr=True)
    try:
        work = asyncio.create_task(runner.run_one(migration_id, wait_s_max=float("inf")))
        with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
            task = bar.add_task("migrating", total=None)
            while not work.done():
                await asyncio.wait({work}, timeout=_LOOK_S)
                told = await _document(platform.catalog, migration_id)
                bar.update(
                    task,
                    description=_described(told),
                    total=told.places or None,
                    completed=told.done,
                )
        await work
    finally:
        await runner.close()
    return await _document(platform.catalog, migration_id)


def _described(told: MigrationDocument) -> str:
    filled = f", {told.rows_filled} rows filled" if told.rows_filled else ""
    return f"wave {told.wave} of {len(told.waves)}{filled}"


async def _document(catalog: Catalog, migration_id: UUID) -> MigrationDocument:
    async with catalog.connection() as connection:
        return await waves.document(connection, await waves.get(connection, migration_id))


def _judge(document: MigrationDocument) -> None:
    """Say how it ended; anything but the end that was asked for is a failure."""
    match document.state:
        case MigrationState.DONE:
            say(f"every place is at revision {document.target}")
        case MigrationState.PAUSED:
            say(f"paused before wave {document.wave}: `migrate tenants --resume` goes on")
        case MigrationState.RUNNING:
            why = document.failures[0].error if document.failures else "others are at work"
            left = document.places - document.done
            raise Failed(f"{left} places wait and a worker goes on with them: {why}")
        case _:
            raise Failed(f"the migration is {document.state.value}: {document.error}")
