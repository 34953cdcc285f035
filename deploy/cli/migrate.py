"""``stepwell migrate`` and ``stepwell revision``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from billing.price_list import read_price_list
from deploy import reference
from deploy.cli.reach import settings_for
from deploy.cli.shell import asynchronous, json_option, progress, say, state_option
from deploy.cli.show import show_json
from deploy.cli.waves import cancel, pause, status, tenants
from deploy.embedded import DEFAULT_PRODUCT
from deploy.fleet_setup import bring_up_to_date
from deploy.platform import Platform
from deploy.scratch import scratch_database
from migrations.lint import lint as find_harm
from migrations.product.render import render
from migrations.product.write import write_revision
from router.product.plug import load

_Command = TypeVar("_Command", bound="Callable[..., Any]")


@click.group()
def migrate() -> None:
    """Bring databases to the revision of this version."""


@migrate.command()
@state_option
@json_option
@asynchronous
async def catalog(*, state: Path, as_json: bool) -> None:
    """Bring the catalog to the revision of this version, and its plans to the price list.

    All of what is missing is applied in one transaction, or nothing.
    """
    platform = Platform(settings_for(state))
    try:
        applied = await bring_up_to_date(platform.catalog, read_price_list())
        await reference.prepare_catalog(platform)
    finally:
        await platform.catalog.close()
    if as_json:
        show_json({"applied": applied})
    else:
        say(f"applied {', '.join(applied)}" if applied else "the catalog is up to date")


def product_option(command: _Command) -> _Command:
    """Add ``--product``: whose revisions are meant."""
    return click.option(
        "--product",
        metavar="MODULE:NAME",
        envvar="STEPWELL_PRODUCT",
        default=DEFAULT_PRODUCT,
        show_default=True,
        help="Whose revisions are meant.",
    )(command)


@migrate.command()
@product_option
@json_option
def lint(*, product: str, as_json: bool) -> None:
    """Say which statements of the product's revisions would hold customers up, and what to write.

    Asks no database. Exit status 1 where there is one; `migrate tenants` refuses it as well.
    """
    findings = find_harm(render(load(product)))
    if as_json:
        show_json(findings)
    else:
        for finding in findings:
            click.echo(str(finding))
        say(f"{len(findings)} findings")
    if findings:
        raise click.exceptions.Exit(1)


for _each in (tenants, status, pause, cancel):
    migrate.add_command(_each)


@click.command()
@click.option("-m", "--message", required=True, metavar="TEXT", help="What it does.")
@product_option
@json_option
@asynchronous
async def revision(*, message: str, product: str, as_json: bool) -> None:
    """Write the product's next revision by comparing its models with the revisions so far.

    The comparison runs in a temporary PostgreSQL; no database of yours is touched. Tables with rows
    are changed in steps that hold nobody up; what can't be is said.
    """
    loaded = load(product)
    with progress("comparing"):
        async with scratch_database(loaded) as scratch:
            written = await write_revision(loaded, message, scratch=scratch)
    if as_json:
        show_json(
            {
                "revision": None if written is None else str(written.path),
                "findings": [] if written is None else written.findings,
                "notes": [] if written is None else written.notes,
            }
        )
    elif written is None:
        say("the models ask for nothing that the revisions don't make already")
    else:
        click.echo(str(written.path))
        for each in (*written.notes, *written.findings):
            say(each)
