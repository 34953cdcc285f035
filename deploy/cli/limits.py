"""``stepwell limits``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click
from msgspec import UNSET

from billing import allowances, overrides
from billing.overrides import Grant, Override
from deploy.cli.reach import catalog_at
from deploy.cli.shell import ACTOR, asynchronous, json_option, say, state_option
from deploy.cli.show import show_json, show_table
from router.catalog import audit, tenants
from router.errors import Unprocessable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.connect import Connection


@click.group()
def limits() -> None:
    """Give a tenant limits other than its plan's, until a day. T is a slug or an id."""


@limits.command("set")
@click.argument("reference", metavar="T")
@click.option(
    "--limit",
    "given",
    multiple=True,
    required=True,
    metavar="NAME=VALUE",
    help="As seats=80, seats=none, or features=custom_domains,own_server; may be repeated.",
)
@click.option("--reason", required=True, help="Who agreed to it, and why.")
@click.option("--until", metavar="DATE", help="Its end in UTC, as 2026-12-31; else by hand.")
@state_option
@json_option
@asynchronous
async def set_limits(  # noqa: PLR0913 - one for each option
    *,
    reference: str,
    given: tuple[str, ...],
    reason: str,
    until: str | None,
    state: Path,
    as_json: bool,
) -> None:
    """Lay limits over those of a tenant's plan; they hold within a second.

    Of two that name the same limit the later one holds. `none` takes a limit away.
    """
    wanted = overrides.read_limits(_by_name(given))
    expires_at = None if until is None else _read_date(until)
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        tenant = (await tenants.get(connection, reference)).tenant
        grant = Grant(
            tenant_id=tenant.id,
            limits=wanted,
            reason=reason,
            made_by=ACTOR,
            expires_at=expires_at,
        )
        override = await overrides.give(connection, grant)
        await _record(connection, "limits.give", override, reason=reason)
    if as_json:
        show_json(override)
    else:
        say(f"{tenant.slug} has {_spelled(override)} now, {_end_of(override)}: {override.id}")


@limits.command("list")
@click.argument("reference", metavar="T")
@click.option("--ended", is_flag=True, help="Show those that have ended, too.")
@state_option
@json_option
@asynchronous
async def list_limits(*, reference: str, ended: bool, state: Path, as_json: bool) -> None:
    """List what a tenant was given, the newest first: it lies on top."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        tenant = (await tenants.get(connection, reference)).tenant
        found = await overrides.list_all(connection, tenant.id, with_ended=ended)
    if as_json:
        show_json(found)
        return
    rows = [(each.id, _spelled(each), _end_of(each), each.made_by, each.reason) for each in found]
    show_table(
        ("id", "limits", "holds", "by", "reason"),
        rows,
        empty=f"{tenant.slug} has the limits of its plan, {tenant.plan}",
    )


@limits.command("show")
@click.argument("reference", metavar="T")
@state_option
@json_option
@asynchronous
async def show_limits(*, reference: str, state: Path, as_json: bool) -> None:
    """Show each limit: what is used, what the plan says, and what holds."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        found = await allowances.read(connection, await tenants.get(connection, reference))
    if as_json:
        show_json(found)
        return
    rows = [
        (
            each.limit,
            each.used,
            "none" if each.by_plan is None else each.by_plan,
            "none" if each.allowed is None else each.allowed,
            each.until and f"{each.until:%Y-%m-%d %H:%M} UTC",
            each.reason,
        )
        for each in found.limits
    ]
    show_table(("limit", "used", "by the plan", "holds", "until", "reason"), rows, empty="")


@limits.command("end")
@click.argument("override_id", metavar="ID", type=click.UUID)
@click.option("--reason", default="", help="Why, for the audit.")
@state_option
@json_option
@asynchronous
async def end_limits(*, override_id: UUID, reason: str, state: Path, as_json: bool) -> None:
    """Let the plan's limits hold again."""
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        override = await overrides.end(connection, override_id)
        await _record(connection, "limits.end", override, reason=reason or None)
    if as_json:
        show_json(override)
    else:
        say(f"{_spelled(override)} ended; the plan's limits hold")


async def _record(
    connection: Connection, action: str, override: Override, *, reason: str | None
) -> None:
    deed = audit.Deed(
        actor=ACTOR,
        action=action,
        target=str(override.id),
        tenant_id=override.tenant_id,
        reason=reason,
        detail=overrides.told(override),
    )
    await audit.write(connection, deed)


def _by_name(given: Sequence[str]) -> dict[str, object]:
    """Take NAME=VALUE apart; what a name means is said where limits are read."""
    found: dict[str, object] = {}
    for text in given:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not value:
            raise Unprocessable(f"{text[:60]!r} is no limit: write NAME=VALUE, as seats=80")
        if name in found:
            raise Unprocessable(f"the limit {name[:60]} is given twice")
        if name == "features":
            found[name] = [] if value == "none" else [each.strip() for each in value.split(",")]
        else:
            found[name] = None if value == "none" else value
    return found


def _read_date(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Unprocessable(f"{text[:40]!r} is no date: write it as 2026-12-31") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _spelled(override: Override) -> str:
    limits = override.limits
    told: list[str] = []
    for name in limits.__struct_fields__:
        value = getattr(limits, name)
        if value is not UNSET and name != "features":
            told.append(f"{name}={'none' if value is None else value}")
    if limits.features is not UNSET:
        told.append(f"features={','.join(limits.features) or 'none'}")
    return ", ".join(told)


def _end_of(override: Override) -> str:
    if override.ended_at is not None:
        return f"ended {override.ended_at:%Y-%m-%d %H:%M}"
    if override.expires_at is None:
        return "until it is ended"
    return f"until {override.expires_at:%Y-%m-%d %H:%M} UTC"
