"""``stepwell plan``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from billing import accounts, contracts
from billing.contracts import NET_DAYS, Terms
from billing.ops_routes import AMOUNT_MAX, NET_DAYS_MAX
from billing.routes import SEATS_MAX
from billing.seen import Interval
from deploy.cli.billing import desk_at
from deploy.cli.documents import TenantDocument
from deploy.cli.reach import catalog_at
from deploy.cli.shell import ACTOR, asynchronous, json_option, say, state_option
from deploy.cli.show import show_json
from router.catalog import audit, plans, tenants

if TYPE_CHECKING:
    from collections.abc import Callable

_DATE = click.DateTime(["%Y-%m-%d"])


def _reason_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--reason", default="an operator's command", help="Why, for the account and the audit."
    )(command)


@click.group()
def plan() -> None:
    """What tenants pay for."""


@plan.command("set")
@click.argument("reference", metavar="T")
@click.argument("name", metavar="PLAN")
@_reason_option
@state_option
@json_option
@asynchronous
async def set_plan(*, reference: str, name: str, reason: str, state: Path, as_json: bool) -> None:
    """Change what a tenant pays for: its limits at once, and the tier of its rows by itself.

    A worker notices within a second and moves the rows while the tenant works, unless a pin holds
    them; until then they are served where they are. What is set here stands over whatever the
    tenant buys, until `plan release`.
    """
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        before = (await tenants.get(connection, reference)).tenant
        wanted = await plans.get(connection, name)
        await accounts.set_contract(connection, before.id, plan=name, reason=reason)
        # The same plan again is its current version, and moves are looked at anew.
        await tenants.set_plan(connection, before.id, name)
        await audit.write(
            connection,
            audit.Deed(
                actor=ACTOR,
                action="plan.set",
                target=before.slug,
                tenant_id=before.id,
                reason=reason,
                detail={"from": before.plan, "to": name},
            ),
        )
        record = await tenants.get(connection, str(before.id))
    if as_json:
        show_json(TenantDocument.of(record))
        return
    say(f"{before.slug} pays for {wanted.name} now, at version {wanted.version}")
    kept = record.tenant.pinned_tier
    if before.tier not in {None, wanted.tier} and kept is None:
        say(f"the worker moves its rows from tier {before.tier} to {wanted.tier.value}")
    elif kept not in {None, wanted.tier}:
        say(f"its rows stay in tier {kept}, where they are pinned: {record.pin_reason}")


@plan.command()
@click.argument("reference", metavar="T")
@click.argument("name", metavar="PLAN")
@click.option("--reason", required=True, help="What was agreed, and where it is filed.")
@click.option("--until", type=_DATE, metavar="DATE", help="Its end in UTC, as 2026-12-31.")
@click.option("--seats", type=click.IntRange(1, SEATS_MAX), help="How many seats are agreed.")
@click.option(
    "--amount",
    type=click.IntRange(0, AMOUNT_MAX),
    help="What the provider invoices, in minor units; it invoices nothing without it.",
)
@click.option("--currency", default="usd", show_default=True, help="Of the amount.")
@click.option(
    "--interval",
    type=click.Choice([each.value for each in Interval]),
    default=Interval.YEAR.value,
    show_default=True,
    help="How often it is invoiced.",
)
@click.option(
    "--net-days",
    type=click.IntRange(0, NET_DAYS_MAX),
    default=NET_DAYS,
    show_default=True,
    help="How long an invoice may take to be paid.",
)
@state_option
@json_option
@asynchronous
async def agree(  # noqa: PLR0913 - one for each option
    *,
    reference: str,
    name: str,
    reason: str,
    until: datetime | None,
    seats: int | None,
    amount: int | None,
    currency: str,
    interval: str,
    net_days: int,
    state: Path,
    as_json: bool,
) -> None:
    """Record a contract: a plan that stands over whatever the tenant buys.

    With an amount the provider sends invoices for it, and what the tenant paid for by card is
    cancelled at the end of its period.
    """
    terms = Terms(
        plan=name,
        reason=reason,
        until=None if until is None else until.replace(tzinfo=UTC),
        seats=seats,
        amount=amount,
        currency=currency,
        interval=Interval(interval),
        net_days=net_days,
    )
    async with desk_at(state) as desk:
        async with desk.catalog.connection() as connection:
            tenant = (await tenants.get(connection, reference)).tenant
        invoice = await contracts.invoice(desk, tenant, terms, key=f"{tenant.id} {uuid4().hex}")
        async with desk.catalog.transaction() as connection:
            await contracts.record(connection, tenant, terms, by=ACTOR)
            deed = audit.Deed(
                actor=ACTOR,
                action="tenant.contract",
                target=tenant.slug,
                tenant_id=tenant.id,
                reason=reason,
                detail={"plan": name, "amount": amount, "until": str(until) if until else None},
            )
            await audit.write(connection, deed)
            record = await tenants.get(connection, str(tenant.id))
    if as_json:
        show_json({"tenant": TenantDocument.of(record), "invoice": invoice})
        return
    say(f"{tenant.slug} has {name} by contract now" + (f" until {until:%Y-%m-%d}" if until else ""))
    if invoice is not None:
        say(f"its first invoice is {invoice.id}: {invoice.url or invoice.status}")


@plan.command()
@click.argument("reference", metavar="T")
@_reason_option
@state_option
@json_option
@asynchronous
async def release(*, reference: str, reason: str, state: Path, as_json: bool) -> None:
    """Give a plan that was set or agreed back to what the tenant buys.

    A worker judges it within a second: without a subscription it is the first plan.
    """
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        tenant = (await tenants.get(connection, reference)).tenant
        await accounts.release_contract(connection, tenant.id)
        deed = audit.Deed(
            actor=ACTOR,
            action="tenant.release",
            target=tenant.slug,
            tenant_id=tenant.id,
            reason=reason,
        )
        await audit.write(connection, deed)
        record = await tenants.get(connection, str(tenant.id))
    if as_json:
        show_json(TenantDocument.of(record))
    else:
        say(f"what {tenant.slug} buys decides its plan again")
