"""``stepwell usage``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from billing import metering
from billing.statement import Difference, Statement
from billing.statement import state as state_of
from deploy.cli.reach import catalog_at
from deploy.cli.shell import ACTOR, Failed, asynchronous, json_option, say, state_option
from deploy.cli.show import show_fields, show_json, show_table
from router.catalog import audit, members, tenants
from router.catalog import usage as used
from router.catalog.usage import API_CALLS, SEATS, STORAGE_BYTES
from router.months import month_of, read_month

if TYPE_CHECKING:
    from router.connect import Connection
    from router.words import Tenant

_DIFFERENCES_SHOWN_MAX = 20


class MetricDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What is used of one limit; a limit of null is by contract."""

    metric: str
    used: int | None
    limit: int | None
    resets_at: datetime | None = None
    measured_at: datetime | None = None


@click.group()
def usage() -> None:
    """What tenants use, by the ledger that is shown in a dispute. T is a slug or an id."""


@usage.command()
@click.argument("reference", metavar="T")
@state_option
@json_option
@asynchronous
async def show(*, reference: str, state: Path, as_json: bool) -> None:
    """Show what a tenant uses of what it may."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        tenant = (await tenants.get(connection, reference)).tenant
        found = await _used(connection, tenant)
    if as_json:
        show_json({"tenant": tenant.id, "slug": tenant.slug, "metrics": found})
        return
    rows = [(each.metric, _number(each.used), _number(each.limit), _when(each)) for each in found]
    show_table(("metric", "used", "limit", ""), rows, empty="nothing is counted")


@usage.command()
@click.argument("reference", metavar="T")
@click.option("--month", metavar="MONTH", help="As 2026-11; this month by default.")
@state_option
@json_option
@asynchronous
async def statement(*, reference: str, month: str | None, state: Path, as_json: bool) -> None:
    """Add a tenant's month up from the ledger's entries, by metric and day.

    Fails where the hourly totals, or what the provider's meters were told, say something else.
    """
    wanted = month_of(datetime.now(UTC)) if month is None else read_month(month)
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        tenant = (await tenants.get(connection, reference)).tenant
        made = await state_of(connection, tenant.id, wanted)
    if as_json:
        show_json(made)
    else:
        _show_statement(tenant, made)
    if made.differences:
        raise Failed(
            f"the ledger of {tenant.slug} doesn't bear out {len(made.differences)} totals of "
            f"{made.month}: read docs/how-to/usage-and-limits.md"
        )


@usage.command()
@state_option
@json_option
@asynchronous
async def held(*, state: Path, as_json: bool) -> None:
    """List what the provider's meters may have counted or not: nobody heard, for a day."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        found = await metering.list_held(connection)
    if as_json:
        show_json(found)
        return
    rows = [
        (each.identifier, each.quantity, f"{each.tried_at:%Y-%m-%d %H:%M}", each.error)
        for each in found
    ]
    show_table(("identifier", "quantity", "since", "error"), rows, empty="nothing is held")


@usage.command()
@click.argument("identifiers", metavar="ID...", nargs=-1, required=True)
@click.option(
    "--counted/--not-counted",
    required=True,
    help="What the provider shows: whether its meter has counted it.",
)
@state_option
@json_option
@asynchronous
async def settle(
    *, identifiers: tuple[str, ...], counted: bool, state: Path, as_json: bool
) -> None:
    """Say what became of held events; those that were not counted are sent again."""
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        for identifier in identifiers:
            tenant_id = await metering.settle(connection, identifier, was_counted=counted)
            deed = audit.Deed(
                actor=ACTOR,
                action="meter.settle",
                target=identifier,
                tenant_id=tenant_id,
                detail={"was_counted": counted},
            )
            await audit.write(connection, deed)
    if as_json:
        show_json({"settled": list(identifiers), "was_counted": counted})
    else:
        say(f"{len(identifiers)} settled" + ("" if counted else "; the worker sends them again"))


async def _used(connection: Connection, tenant: Tenant) -> list[MetricDocument]:
    month, limits = month_of(datetime.now(UTC)), tenant.limits
    counted = await used.counted(connection, tenant.id, month)
    gauge = await used.measured(connection, tenant.id, STORAGE_BYTES)
    return [
        MetricDocument(
            metric=API_CALLS,
            used=counted.get(API_CALLS, 0),
            limit=limits.api_calls_per_month,
            resets_at=month.ends_at,
        ),
        MetricDocument(
            metric=SEATS, used=await members.count(connection, tenant.id), limit=limits.seats
        ),
        MetricDocument(
            metric=STORAGE_BYTES,
            used=gauge.quantity if gauge else None,
            limit=limits.storage_bytes,
            measured_at=gauge.at if gauge else None,
        ),
    ]


def _show_statement(tenant: Tenant, made: Statement) -> None:
    kind = "final" if made.is_final else f"so far, {made.made_at:%Y-%m-%d %H:%M} UTC"
    say(f"{tenant.slug} in {made.month} ({kind})")
    for metric in made.metrics:
        show_fields(
            {
                metric.metric: f"{metric.total:,} in {metric.reports:,} reports",
                "first": metric.first_at,
                "last": metric.last_at,
                "meter": f"{metric.told:,} told, {metric.sent:,} arrived",
                **{f"{day.day}": f"{day.quantity:,}" for day in metric.days},
            }
        )
    if not made.metrics:
        say("nothing was used")
    if made.differences:
        rows = [
            (each.metric, _hour(each), each.recorded, each.totalled, each.told)
            for each in made.differences[:_DIFFERENCES_SHOWN_MAX]
        ]
        show_table(("metric", "hour", "ledger", "totals", "told"), rows, empty="")


def _hour(each: Difference) -> str:
    return "the month" if each.hour is None else f"{each.hour:%Y-%m-%d %H}:00"


def _number(value: int | None) -> str | None:
    return None if value is None else f"{value:,}"


def _when(each: MetricDocument) -> str:
    if each.resets_at is not None:
        return f"until {each.resets_at:%Y-%m-%d}"
    return f"measured {each.measured_at:%Y-%m-%d %H:%M} UTC" if each.measured_at else ""
