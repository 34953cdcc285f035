"""``stepwell reference``."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.cli.reach import platform_at
from deploy.cli.shell import ACTOR, asynchronous, json_option, say, state_option
from deploy.cli.show import show_json, show_table
from deploy.reference import prepare_catalog
from deploy.reference import status as ask_status
from migrations import reference as tables
from router.catalog import audit, reference_tables
from router.connect import connect


@click.group()
def reference() -> None:
    """The tables that all tenants read and none writes."""


@reference.command()
@click.argument("table")
@click.argument("file", type=click.Path(path_type=Path))
@state_option
@json_option
@asynchronous
async def load(*, table: str, file: Path, state: Path, as_json: bool) -> None:
    """Make a reference table hold what a CSV file holds, and let the workers copy it everywhere.

    The first line names every column; an empty field is NULL. A bad line changes nothing.
    """
    async with platform_at(state) as platform:
        await prepare_catalog(platform)
        connection = await connect(platform.catalog.address, purpose="reference load")
        try:
            rows = await tables.load_csv(connection, platform.loaded.stored, table, file)
        finally:
            await connection.close(timeout=5)
        async with platform.catalog.transaction() as connection:
            deed = audit.Deed(actor=ACTOR, action="reference.load", target=table)
            await audit.write(connection, deed)
            version = (await reference_tables.versions(connection))[table]
    if as_json:
        show_json({"table": table, "rows": rows, "version": version})
    else:
        say(f"{table} has {rows} rows now, at version {version}; the workers copy them")


@reference.command()
@state_option
@json_option
@asynchronous
async def status(*, state: Path, as_json: bool) -> None:
    """Show which version of each reference table every database has."""
    async with platform_at(state) as platform:
        document = await ask_status(platform)
    if as_json:
        show_json(document)
        return
    names = sorted(document.tables)
    rows: list[tuple[object, ...]] = [
        ("catalog", *(document.tables[name] for name in names), "yes")
    ]
    rows += [
        (
            f"{each.cluster}/{each.database}",
            *(each.versions.get(name) for name in names),
            each.problem or ("yes" if each.is_current else "not yet"),
        )
        for each in document.databases
    ]
    show_table(
        ("database", *names, "current"),
        rows if names else [],
        empty="the product has no reference tables",
    )
