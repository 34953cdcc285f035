"""The command line: one module for each noun, all of them behaving as shell.py says."""

from __future__ import annotations

import os
import sys

import click

from deploy import logs
from deploy.cli.access import access
from deploy.cli.archive import ARCHIVE_COMMANDS
from deploy.cli.audit import audit
from deploy.cli.billing import billing
from deploy.cli.cluster import cluster
from deploy.cli.doctor import doctor
from deploy.cli.domain import domain
from deploy.cli.gate import gate
from deploy.cli.inbox import inbox
from deploy.cli.key import key
from deploy.cli.life import LIFE_COMMANDS
from deploy.cli.limits import limits
from deploy.cli.login import login, logout
from deploy.cli.me import me
from deploy.cli.migrate import migrate, revision
from deploy.cli.move import move
from deploy.cli.onboarding import onboarding
from deploy.cli.operation import operation
from deploy.cli.overview import overview
from deploy.cli.plan import plan
from deploy.cli.processes import serve, settings, worker
from deploy.cli.promote import promote
from deploy.cli.reference import reference
from deploy.cli.shell import Shell
from deploy.cli.stack import down, status, up
from deploy.cli.staff import staff
from deploy.cli.tenant import tenant
from deploy.cli.usage import usage

COMMANDS = (
    up,
    down,
    status,
    serve,
    worker,
    overview,
    doctor,
    settings,
    tenant,
    key,
    domain,
    plan,
    billing,
    inbox,
    limits,
    usage,
    promote,
    move,
    cluster,
    operation,
    migrate,
    revision,
    reference,
    gate,
    audit,
    staff,
    onboarding,
    access,
    login,
    logout,
    me,
)

for command in (*ARCHIVE_COMMANDS, *LIFE_COMMANDS):
    tenant.add_command(command)


@click.group(
    cls=Shell,
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="stepwell", prog_name="stepwell")
@click.option("--debug", is_flag=True, help="Show the traceback of a failure that nobody foresaw.")
def main(debug: bool) -> None:  # noqa: ARG001, FBT001 - the shell reads it where it catches
    """Give every tenant the storage its plan pays for.

    A command works on the embedded stack of the folder .stepwell (--state, STEPWELL_STATE),
    unless STEPWELL_DATABASE_URL names another catalog.
    """
    logs.configure(log_format="console", level="error")
    if (here := os.getcwd()) not in sys.path:  # noqa: PTH109 - sys.path holds texts
        # Behind everything else: a product is found here, and nothing of ours is hidden.
        sys.path.append(here)
