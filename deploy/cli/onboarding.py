"""``stepwell onboarding``."""

from __future__ import annotations

import contextlib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click
import msgspec

from deploy import payments
from deploy.cli.reach import catalog_at, platform_at
from deploy.cli.shell import ACTOR, Failed, asynchronous, json_option, progress, say, state_option
from deploy.cli.show import show_fields, show_json, show_table
from deploy.onboardings import Onboardings
from deploy.operations import make_runner
from deploy.promoting import Promoting
from deploy.provisioning import Provisioning
from router.api.onboarding import Act, Change, OnboardingLine
from router.catalog import onboardings
from router.catalog.moves import By
from router.catalog.onboarding_words import Data, Parties, Place, Section, Stage, Terms
from router.catalog.onboardings import Head, OnboardingFilter
from router.catalog.operations import OperationState
from router.errors import Unprocessable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from deploy.platform import Platform
    from router.api.onboarding import Acted, OnboardingShown, Opened

_DATE = click.DateTime(["%Y-%m-%d"])
_ITEMS_MAX = 200
_SECTIONS: dict[str, type[Section]] = {
    "draft": Parties,
    "contract": Terms,
    "place": Place,
    "data": Data,
}
_HEAD = ("name", "owner", "due_on")


@click.group()
def onboarding() -> None:
    """Enterprises that sales brings in, from the first draft until they are live."""


def _changing(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add what every change of one onboarding takes."""
    for option in (
        click.option(
            "--version",
            type=click.IntRange(1),
            help="The version that you saw; without it, the newest one is changed.",
        ),
        click.option("--reason", required=True, help="Why, for the audit."),
        click.argument("onboarding_id", metavar="ID", type=click.UUID),
    ):
        command = option(command)
    return command


@onboarding.command("list")
@click.option("--stage", type=click.Choice([each.value for each in Stage]))
@click.option("--owner", help="The address of who of the staff sees to it.")
@state_option
@json_option
@asynchronous
async def list_onboardings(
    *, stage: str | None, owner: str | None, state: Path, as_json: bool
) -> None:
    """List the onboardings, the newest first."""
    chosen = OnboardingFilter(stage=Stage(stage) if stage else None, owner=owner)
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        page = await onboardings.list_page(connection, chosen, items_max=_ITEMS_MAX)
    lines = [OnboardingLine.of(each) for each in page.items]
    if as_json:
        show_json(lines)
        return
    show_table(
        ("id", "customer", "stage", "owner", "due"),
        [(each.id, each.name, each.stage.value, each.owner, each.due_on) for each in lines],
        empty="nobody is brought in: `stepwell onboarding create`",
    )


@onboarding.command()
@click.argument("onboarding_id", metavar="ID", type=click.UUID)
@state_option
@json_option
@asynchronous
async def show(*, onboarding_id: UUID, state: Path, as_json: bool) -> None:
    """Show one, with what it lacks before its next stage. Passwords are never shown."""
    async with _work_at(state) as (_, work):
        shown = await work.show(onboarding_id)
    _show(shown, as_json=as_json)


@onboarding.command()
@click.argument("name")
@click.option("--owner", required=True, help="The address of who of the staff sees to it.")
@click.option("--due", type=_DATE, metavar="DATE", help="By when it is live, as 2026-12-31.")
@click.option("--workspace", default="", metavar="T", help="The trial that they have already.")
@click.option("--reason", required=True, help="Why, for the audit.")
@state_option
@json_option
@asynchronous
async def create(  # noqa: PLR0913 - one for each option
    *,
    name: str,
    owner: str,
    due: datetime | None,
    workspace: str,
    reason: str,
    state: Path,
    as_json: bool,
) -> None:
    """Begin a draft."""
    head = Head(name=name, owner=owner, due_on=due.replace(tzinfo=UTC).date() if due else None)
    async with _work_at(state) as (platform, work), _opening(platform) as opened:
        by = By(actor=ACTOR, reason=reason)
        shown = await work.create(head, Data(workspace=workspace), by, opened)
    _show(shown, as_json=as_json)


@onboarding.command("set")
@_changing
@click.argument("section", type=click.Choice(list(_SECTIONS)))
@click.argument("given", metavar="NAME=VALUE...", nargs=-1, required=True)
@click.option(
    "--password-file",
    type=click.Path(path_type=Path),
    help="A file with the password of the customer's own server.",
)
@state_option
@json_option
@asynchronous
async def set_section(  # noqa: PLR0913 - one for each option
    *,
    onboarding_id: UUID,
    section: str,
    given: tuple[str, ...],
    password_file: Path | None,
    reason: str,
    version: int | None,
    state: Path,
    as_json: bool,
) -> None:
    """Fill in one part: draft, contract, place or data.

    What isn't named stays. An empty value takes one away; @FILE reads it from a file, as in
    certificates=@ca.pem.
    """
    values = dict(map(_pair, given))
    password = "" if password_file is None else _read(password_file).strip()
    async with _work_at(state) as (platform, work), _opening(platform) as opened:
        shown = await work.show(onboarding_id)
        change = _change(shown, version, reason)
        head, part = _filled(shown, section, values)
        shown = await work.save(change, part, opened, head=head, password=password)
    _show(shown, as_json=as_json)


def _acting(act: Act, meaning: str) -> click.Command:
    @click.command(act.value, help=meaning)
    @_changing
    @state_option
    @json_option
    @asynchronous
    async def command(
        *, onboarding_id: UUID, reason: str, version: int | None, state: Path, as_json: bool
    ) -> None:
        async with _work_at(state) as (platform, work):
            change = _change(await work.show(onboarding_id), version, reason)
            async with _opening(platform) as opened:
                acted = await work.act(change, act, opened)
            shown = await _ended(platform, work, acted)
        _show(shown, as_json=as_json)

    return command


for _act, _meaning in (
    (Act.ADVANCE, "Go to the next stage; names what is missing."),
    (Act.BACK, "Go a stage back, from contract or provisioning."),
    (Act.APPROVE, "Approve terms that somebody else wrote and that need a second person."),
    (Act.BEGIN, "Bring the tenant to its place: a move goes on behind it, the rest is waited for."),
    (Act.CHECK, "Fill the acceptance sheet, and wait for it."),
    (Act.CLOSE, "Give the deal up. A tenant that is there stays as it is."),
):
    onboarding.add_command(_acting(_act, _meaning))


@contextlib.asynccontextmanager
async def _work_at(state: Path) -> AsyncGenerator[tuple[Platform, Onboardings]]:
    async with platform_at(state) as platform:
        provider = payments.make_provider(platform.settings)
        desk = payments.make_desk(platform.catalog, provider, platform.settings)
        provisioning = Provisioning(platform)
        try:
            yield platform, Onboardings(platform, desk, Promoting(platform), provisioning)
        finally:
            await provisioning.close()
            await desk.close()


@contextlib.asynccontextmanager
async def _opening(platform: Platform) -> AsyncGenerator[Opened]:
    """Lend what opens the one transaction of a command, which ends with it."""
    async with contextlib.AsyncExitStack() as stack:
        yield lambda: stack.enter_async_context(platform.catalog.transaction())


async def _ended(platform: Platform, work: Onboardings, acted: Acted) -> OnboardingShown:
    """Run what an act began here, unless a worker is faster."""
    if acted.start is None:
        return acted.shown
    runner = make_runner(platform)
    try:
        with progress("working"):
            operation = await runner.run_one(acted.start)
    finally:
        await runner.close()
    if operation.state is OperationState.FAILED:
        raise Failed(f"{operation.kind} failed: {operation.error}")
    return await work.show(acted.shown.line.id)


def _change(shown: OnboardingShown, version: int | None, reason: str) -> Change:
    by = By(actor=ACTOR, reason=reason)
    return Change(id=shown.line.id, version=version or shown.line.version, by=by)


def _pair(text: str) -> tuple[str, str | None]:
    name, sign, value = text.partition("=")
    if not sign:
        raise click.UsageError(f"{text[:60]!r} is no NAME=VALUE")
    return name, _read(Path(value[1:])) if value.startswith("@") else value or None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Failed(f"{path} can't be read: {error}") from error


def _filled(
    shown: OnboardingShown, section: str, values: dict[str, str | None]
) -> tuple[Head | None, Section]:
    kind = _SECTIONS[section]
    saved = {"draft": shown.parties, "contract": shown.terms, "place": shown.place}
    head_given = {name: values.pop(name) for name in _HEAD if name in values and section == "draft"}
    if unknown := sorted(set(values) - set(kind.__struct_fields__)):
        known = [*(_HEAD if section == "draft" else ()), *kind.__struct_fields__]
        raise Unprocessable(f"{section} has no {unknown[0][:60]!r}; choose of {', '.join(known)}")
    defaults = msgspec.to_builtins(kind())
    told = msgspec.to_builtins(saved.get(section, shown.data)) | {
        name: defaults[name] if value is None else value for name, value in values.items()
    }
    try:
        return _head(shown, head_given), msgspec.convert(told, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Unprocessable(f"a value is wrong: {error}") from error


def _head(shown: OnboardingShown, given: dict[str, str | None]) -> Head:
    line = shown.line
    due_on = line.due_on
    if "due_on" in given:
        due_on = msgspec.convert(given["due_on"], date | None)
    return Head(
        name=given.get("name") or line.name, owner=given.get("owner") or line.owner, due_on=due_on
    )


def _show(shown: OnboardingShown, *, as_json: bool) -> None:
    if as_json:
        show_json(shown)
        return
    line, tenant = shown.line, shown.tenant
    show_fields(
        {
            "id": line.id,
            "customer": line.name,
            "stage": f"{line.stage.value}, version {line.version}",
            "owner": line.owner,
            "due": line.due_on,
            "tenant": tenant and f"{tenant.slug}: {tenant.tier or 'no place yet'}",
            "place": shown.place.cluster,
            "approval": shown.approval and f"by {shown.approval.by}",
            "server": shown.place_approval and f"approved by {shown.place_approval.by}",
            "sheet": shown.receipt and ("passed" if shown.receipt.has_passed else "failed"),
            "invoice": shown.invoice,
        }
    )
    for check in shown.receipt.sheet.checks if shown.receipt else ():
        click.echo(f"  {'ok  ' if check.has_passed else 'FAIL'} {check.name}: {check.says}")
    for each in shown.missing:
        say(f"missing {each.field}: {each.says}")
