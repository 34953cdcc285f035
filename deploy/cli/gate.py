"""``stepwell gate``."""

from __future__ import annotations

from pathlib import Path

import click

from deploy import gates
from deploy.cli.reach import platform_at
from deploy.cli.shell import ACTOR, asynchronous, json_option, progress, say, state_option
from deploy.cli.show import show_json
from router.catalog import audit


@click.group()
def gate() -> None:
    """The gates of the tenants' databases."""


@gate.command()
@state_option
@json_option
@asynchronous
async def install(*, state: Path, as_json: bool) -> None:
    """Put this version's gate into every database: after an upgrade, before the new gateways.

    Nobody waits for it; repeated, it changes nothing.
    """
    async with platform_at(state) as platform:
        databases = await gates.renew(platform)
        async with platform.catalog.transaction() as connection:
            deed = audit.Deed(actor=ACTOR, action="gate.install", target="every database")
            await audit.write(connection, deed)
    if as_json:
        show_json({"databases": databases})
    else:
        say(f"{databases} databases have this version's gate")


@gate.command()
@state_option
@json_option
@asynchronous
async def rotate(*, state: Path, as_json: bool) -> None:
    """Replace the key that the gates trust, while everything works.

    It takes as long as a router may go without news of the catalog. Interrupted, it goes on when
    it is called again.
    """
    async with platform_at(state) as platform:
        with progress("rotating"):
            done = await gates.rotate(platform, say=say)
        async with platform.catalog.transaction() as connection:
            deed = audit.Deed(actor=ACTOR, action="gate.rotate", target=f"key {done.current}")
            await audit.write(connection, deed)
    if as_json:
        show_json(done)
    else:
        say(f"key {done.current} is the only one in {done.databases} databases")
