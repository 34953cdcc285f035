"""``stepwell plan``."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.cli.documents import TenantDocument
from deploy.cli.reach import catalog_at
from deploy.cli.shell import ACTOR, asynchronous, json_option, say, state_option
from deploy.cli.show import show_json
from router.catalog import audit, plans, tenants


@click.group()
def plan() -> None:
    """What tenants pay for."""


@plan.command("set")
@click.argument("reference", metavar="T")
@click.argument("name", metavar="PLAN")
@state_option
@json_option
@asynchronous
async def set_plan(*, reference: str, name: str, state: Path, as_json: bool) -> None:
    """Change what a tenant pays for: its limits at once, and the tier of its rows by itself.

    A worker notices within a second and moves the rows while the tenant works, unless a pin holds
    them; until then they are served where they are.
    """
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        before = (await tenants.get(connection, reference)).tenant
        wanted = await plans.get(connection, name)
        await tenants.set_plan(connection, before.id, name)
        await audit.write(
            connection,
            audit.Deed(
                actor=ACTOR,
                action="plan.set",
                target=before.slug,
                tenant_id=before.id,
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
