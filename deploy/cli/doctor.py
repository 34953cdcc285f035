"""``stepwell doctor``."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.canaries import release_all
from deploy.checks import find_all
from deploy.cli.reach import platform_at
from deploy.cli.shell import asynchronous, json_option, say, state_option
from deploy.cli.show import show_json
from deploy.doctor import RULES, in_order


@click.command()
@click.option(
    "--canaries", is_flag=True, help="Also have two drawn tenants try to reach each other's rows."
)
@state_option
@json_option
@asynchronous
async def doctor(*, canaries: bool, state: Path, as_json: bool) -> None:
    """Check every rule of isolation and configuration against the live databases.

    Each finding names its rule, the object, the danger and the remedy. Exit status 1 where there
    is one.
    """
    async with platform_at(state) as platform:
        findings = await find_all(platform)
        if canaries:
            findings = in_order([*findings, *await release_all(platform)])
    if as_json:
        show_json(findings)
    else:
        for finding in findings:
            click.echo(str(finding))
        say(f"{len(RULES)} rules, {len(findings)} findings")
    if findings:
        raise click.exceptions.Exit(1)
