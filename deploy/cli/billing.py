"""``stepwell billing``."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from billing import accounts
from billing.both_sides import both_sides
from billing.price_list import listed_plans
from billing.routes import PlanShown
from deploy import payments
from deploy.cli.reach import catalog_at, settings_for
from deploy.cli.shell import ACTOR, asynchronous, json_option, progress, say, state_option
from deploy.cli.show import show_fields, show_json, show_table
from router.catalog import audit, tenants

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from billing.both_sides import BothSides
    from billing.desk import Desk
    from billing.sweep import Report


@contextlib.asynccontextmanager
async def desk_at(state: Path) -> AsyncGenerator[Desk]:
    """Lend the front desk, with the provider that the settings name."""
    settings = settings_for(state)
    provider = payments.make_provider(settings)
    async with catalog_at(state) as catalog:
        desk = payments.make_desk(catalog, provider, settings)
        try:
            yield desk
        finally:
            await desk.close()


@click.group()
def billing() -> None:
    """What tenants buy, and whether they equal the provider. T is a slug or an id."""


@billing.command()
@json_option
def plans(*, as_json: bool) -> None:
    """List the price list: plans, their limits and prices."""
    shown = [PlanShown.of(listed) for listed in listed_plans()]
    if as_json:
        show_json(shown)
        return
    rows = [
        (
            each.name,
            each.tier.value,
            each.limits.api_calls_per_month,
            each.limits.seats,
            each.limits.storage_bytes,
            ", ".join(
                f"{price.amount / 100:.2f} {price.currency} a {price.interval.value}"
                for price in each.prices
            ),
        )
        for each in shown
    ]
    show_table(("plan", "tier", "calls a month", "seats", "bytes", "prices"), rows, empty="")


@billing.command()
@state_option
@json_option
@asynchronous
async def sync(*, state: Path, as_json: bool) -> None:
    """Make the provider's products and prices what the price list says.

    A price that changed is a new price there; whoever bought the old one keeps it.
    """
    async with desk_at(state) as desk:
        with progress("asking the provider"):
            report = await payments.sync_prices(desk.catalog, desk.provider)
    if as_json:
        show_json(report)
        return
    for said, names in (
        ("written", report.written),
        ("sold no more", report.retired),
        ("unchanged", report.unchanged),
    ):
        if names:
            say(f"{said}: {', '.join(names)}")


@billing.command()
@state_option
@json_option
@asynchronous
async def reconcile(*, state: Path, as_json: bool) -> None:
    """Compare every account with the provider's, repair each difference, and report it.

    The worker does the same by the clock. Exit status 1 where something couldn't be found out.
    """
    async with desk_at(state) as desk:
        with progress("comparing"):
            report = await desk.compare()
    if as_json:
        show_json(report)
    else:
        _show_report(report)
    if report.failures:
        raise click.exceptions.Exit(1)


@billing.command()
@click.argument("reference", metavar="T")
@state_option
@json_option
@asynchronous
async def show(*, reference: str, state: Path, as_json: bool) -> None:
    """Show a tenant's account, ours beside the provider's."""
    async with desk_at(state) as desk:
        async with desk.catalog.connection() as connection:
            tenant = (await tenants.get(connection, reference)).tenant
        found = await both_sides(desk, tenant)
    if as_json:
        show_json(found)
    else:
        _show_sides(found)


@billing.command()
@click.argument("reference", metavar="T")
@click.option("--reason", required=True, help="Why, for the audit.")
@state_option
@json_option
@asynchronous
async def resync(*, reference: str, reason: str, state: Path, as_json: bool) -> None:
    """Have the provider asked again about a tenant; a worker does it within some seconds."""
    async with desk_at(state) as desk, desk.catalog.transaction() as connection:
        tenant = (await tenants.get(connection, reference)).tenant
        provider = desk.provider.name
        await accounts.ask_again(connection, tenant)
        deed = audit.Deed(
            actor=ACTOR,
            action="billing.resync",
            target=tenant.slug,
            tenant_id=tenant.id,
            reason=reason,
            detail={"provider": provider},
        )
        await audit.write(connection, deed)
    if as_json:
        show_json({"tenant": tenant.id, "provider": provider})
    else:
        say(f"{provider} is asked again about {tenant.slug}")


def _show_report(report: Report) -> None:
    rows = [
        (each.tenant_id, each.ours.plan, each.theirs.plan, each.theirs.standing.value, each.done)
        for each in report.differences
    ]
    show_table(
        ("tenant", "ours", "theirs", "standing", "done"), rows, empty="every account is equal"
    )
    for failure in report.failures:
        say(f"not found out: {failure.about}: {failure.reason}")
    say(f"{report.accounts_looked} accounts, {report.events_found} events that never came")


def _show_sides(found: BothSides) -> None:
    ours = found.ours
    show_fields(
        {
            "tenant": found.tenant,
            "plan": f"{ours.plan} ({ours.basis.value})",
            "standing": ours.standing.value,
            "until": ours.standing_until,
            "contract": ours.contract and f"{ours.contract.plan}: {ours.contract.reason}",
            "customer": ours.customer_id,
            "subscription": ours.subscription
            and f"{ours.subscription.id} {ours.subscription.status.value}",
            "seen": ours.seen_at,
            "problem": ours.problem,
            "error": found.error or ours.error,
            "differences": "; ".join(found.differences) or "none",
        }
    )
    for notice in ours.notices:
        say(f"{notice.at:%Y-%m-%d} told: {notice.said}")
