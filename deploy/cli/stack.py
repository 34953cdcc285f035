"""``stepwell up``, ``down`` and ``status``: the embedded stack."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from deploy import embedded
from deploy.cli.shell import asynchronous, json_option, progress, say, state_option
from deploy.cli.show import show_json, show_table
from deploy.demo import DemoLogin, StaffLogin
from deploy.settings import PREFIX
from deploy.stack import control
from deploy.stack.state import Kind, Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.stack.control import StackStatus

GATEWAYS_MAX = 32


class PartDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One process of the stack."""

    name: str
    kind: Kind
    pid: int | None
    address: str
    healthy: bool
    restarts: int
    problem: str | None


class Urls(msgspec.Struct, frozen=True, kw_only=True):
    """Where people and programs go."""

    site: str | None = None
    api: str | None = None
    mailbox: str | None = None


class Dsns(msgspec.Struct, frozen=True, kw_only=True):
    """The administrators' addresses, passwords included."""

    catalog: str | None = None
    clusters: dict[str, str] = {}


class StripeAddress(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the Stripe stand-in; nothing where a real account takes the payments."""

    api_base: str | None = None
    api_key: str | None = None
    webhook_secret: str | None = None


class StatusDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What `stepwell status --json` writes."""

    phase: Phase
    reason: str | None
    parts: list[PartDocument]
    urls: Urls = Urls()
    dsn: Dsns = Dsns()
    stripe: StripeAddress = StripeAddress()
    ops_token: str | None = None
    demo: list[DemoLogin] = []
    staff: list[StaffLogin] = []


@click.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    default=8000,
    show_default=True,
    help="The loopback port of the first gateway; 0 draws a free one.",
)
@state_option
@click.option(
    "--product",
    metavar="MODULE:NAME",
    envvar="STEPWELL_PRODUCT",
    help="The product to serve: the shop examples.store unless the state holds another one.",
)
@click.option("--detach", is_flag=True, help="Return when all is ready, and leave it running.")
@click.option("--no-demo", is_flag=True, help="Make no demo tenants.")
@click.option(
    "--gateways",
    type=click.IntRange(1, GATEWAYS_MAX),
    default=1,
    show_default=True,
    help="How many gateways to run, each at a port of its own.",
)
def up(  # noqa: PLR0913 - one for each option
    *, port: int, state: Path, product: str | None, detach: bool, no_demo: bool, gateways: int
) -> None:
    """Run everything on this machine: PostgreSQL, Valkey, gateway, worker and demo tenants.

    Payments go to a stand-in for Stripe, unless STEPWELL_STRIPE_API_KEY names an account.

    The state folder keeps the data between runs. Ctrl-C stops it all.
    """
    options = embedded.UpOptions(
        port=port, product=product, gateways=gateways, with_demo=not no_demo
    )
    asyncio.run(_up_detached(state, options) if detach else _up(state, options))


async def _up(state: Path, options: embedded.UpOptions) -> None:
    await embedded.up(state, options, say=say, ready=lambda: _welcome(state))


async def _up_detached(state: Path, options: embedded.UpOptions) -> None:
    with progress("starting"):
        await control.start_detached(embedded.argv_of(state, options), state)
    await _welcome(state)


@click.command()
@state_option
@asynchronous
async def down(*, state: Path) -> None:
    """Stop the embedded stack; its data stays."""
    with progress("stopping"):
        stopped = await control.stop(state)
    say(f"stopped {', '.join(stopped)}" if stopped else f"nothing runs in {state}")


@click.command()
@state_option
@json_option
@asynchronous
async def status(*, state: Path, as_json: bool) -> None:
    """Show the parts of the embedded stack, where they are, and whether they answer.

    With --json also the administrators' addresses, keys and the operator's token.
    """
    document = _document(state, await control.status(state))
    if as_json:
        show_json(document)
    else:
        _show(document, state)


async def _welcome(state: Path) -> None:
    document = _document(state, await control.status(state))
    click.echo(f"site        {document.urls.site}/")
    click.echo(f"api         {document.urls.api}/docs")
    if document.urls.mailbox:
        click.echo(f"mailbox     {document.urls.mailbox}")
    for login in document.demo:
        host = str(document.urls.site).removeprefix("http://")
        click.echo(f"{login.plan:<11} http://{login.slug}.{host}/  {login.email}  {login.password}")
    for member in document.staff:
        console = f"{document.urls.site}/console"
        click.echo(f"{member.role:<11} {console}  {member.email}  {member.password}")
    sys.stdout.flush()


def _document(state: Path, seen: StackStatus) -> StatusDocument:
    parts = [msgspec.convert(part, PartDocument, from_attributes=True) for part in seen.parts]
    notes = seen.notes
    if seen.phase in {Phase.STOPPED, Phase.FAILED}:
        return StatusDocument(phase=seen.phase, reason=seen.reason, parts=parts)
    return StatusDocument(
        phase=seen.phase,
        reason=seen.reason,
        parts=parts,
        urls=_urls(notes),
        dsn=Dsns(catalog=notes.get(PREFIX + "DATABASE_URL"), clusters=control.dsns(state)),
        stripe=StripeAddress(
            api_base=notes.get(PREFIX + "STRIPE_API_BASE") or None,
            api_key=notes.get(PREFIX + "STRIPE_API_KEY") or None,
            webhook_secret=notes.get(PREFIX + "STRIPE_WEBHOOK_SECRET") or None,
        ),
        ops_token=notes.get(PREFIX + "OPS_TOKEN"),
        demo=msgspec.json.decode(notes.get("demo", "[]"), type=list[DemoLogin]),
        staff=msgspec.json.decode(notes.get("staff", "[]"), type=list[StaffLogin]),
    )


def _urls(notes: Mapping[str, str]) -> Urls:
    site = notes.get("site")
    has_mailbox = site is not None and notes.get(PREFIX + "MAILBOX_DIR")
    return Urls(site=site, api=notes.get("api"), mailbox=f"{site}/mailbox" if has_mailbox else None)


def _show(document: StatusDocument, state: Path) -> None:
    rows = [
        (
            part.name,
            part.kind.value,
            part.pid,
            part.address,
            "yes" if part.healthy else f"no: {part.problem or 'it does not answer'}",
        )
        for part in document.parts
    ]
    say(f"{state}: {document.phase.value}" + (f" ({document.reason})" if document.reason else ""))
    if rows:
        show_table(("part", "kind", "pid", "address", "healthy"), rows, empty="")
    if document.urls.site:
        click.echo(f"site {document.urls.site}/")
    if document.urls.mailbox:
        click.echo(f"mailbox {document.urls.mailbox}")
