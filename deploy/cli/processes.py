"""``stepwell serve``, ``worker`` and ``settings``: the production processes and what sets them."""

from __future__ import annotations

import os

import click

from deploy.cli.shell import json_option
from deploy.cli.show import show_json, show_table
from deploy.serve import serve as serve_until_stopped
from deploy.settings import SETTINGS, load
from deploy.worker import work


@click.command()
def serve() -> None:
    """Run one gateway, set by the environment; `stepwell settings` lists what it reads.

    It doesn't start on a wrong setting, an old catalog, or a grave finding of the doctor.
    """
    serve_until_stopped(load(os.environ))


@click.command()
def worker() -> None:
    """Run one worker, set by the environment: moves and other operations, the chores."""
    work(load(os.environ))


@click.command()
@json_option
def settings(*, as_json: bool) -> None:
    """List every setting with its meaning, unit and default."""
    if as_json:
        show_json(SETTINGS)
        return
    rows = [(each.name, each.default, each.unit, each.meaning) for each in SETTINGS]
    show_table(("setting", "default", "unit", "meaning"), rows, empty="")
