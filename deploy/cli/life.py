"""``stepwell tenant timeline``, ``members`` and ``tables``."""

from __future__ import annotations

from pathlib import Path

import click

from deploy.cli.reach import catalog_at, platform_at
from deploy.cli.shell import asynchronous, json_option, progress, state_option
from deploy.cli.show import show_json, show_table
from deploy.rehearsal import count
from router.api.invitations import shown as shown_invitation
from router.api.members import shown as shown_member
from router.catalog import invitations, members, tenants
from router.catalog import timeline as life

EVENTS_MAX = 10_000


@click.command()
@click.argument("reference", metavar="T")
@click.option(
    "--limit",
    type=click.IntRange(1, EVENTS_MAX),
    default=50,
    show_default=True,
    help="How many of the newest events.",
)
@state_option
@json_option
@asynchronous
async def timeline(*, reference: str, limit: int, state: Path, as_json: bool) -> None:
    """Show what happened to a tenant, the newest first.

    What its people did among themselves stands in the audit alone.
    """
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        tenant = (await tenants.get(connection, reference)).tenant
        page = await life.page(connection, tenant.id, items_max=limit)
    if as_json:
        show_json(page.items)
        return
    rows = [
        (f"{each.at:%Y-%m-%d %H:%M}", each.what, each.said, each.by, each.reason)
        for each in page.items
    ]
    show_table(("when", "what", "", "who", "why"), rows, empty="nothing happened to it yet")


@click.command("members")
@click.argument("reference", metavar="T")
@state_option
@json_option
@asynchronous
async def list_members(*, reference: str, state: Path, as_json: bool) -> None:
    """List a tenant's members, and who is invited."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        tenant = (await tenants.get(connection, reference)).tenant
        inside = await members.list_all(connection, tenant.id)
        invited = await invitations.list_open(connection, tenant.id)
    if as_json:
        document = {
            "members": [shown_member(each) for each in inside],
            "invitations": [shown_invitation(each) for each in invited],
        }
        show_json(document)
        return
    rows = [
        (each.email, each.name, each.role, f"since {each.created_at:%Y-%m-%d}") for each in inside
    ]
    rows += [
        (each.email, "", each.role, f"invited until {each.expires_at:%Y-%m-%d}") for each in invited
    ]
    show_table(("address", "name", "role", ""), rows, empty="nobody is a member or invited")


@click.command("tables")
@click.argument("reference", metavar="T")
@state_option
@json_option
@asynchronous
async def list_tables(*, reference: str, state: Path, as_json: bool) -> None:
    """Count a tenant's rows and their bytes, table by table; it holds nobody."""
    async with platform_at(state) as platform:
        async with platform.catalog.connection() as connection:
            tenant = (await tenants.get(connection, reference)).tenant
        with progress(f"counting the rows of {tenant.slug}"):
            sizes = await count(platform, tenant)
    if as_json:
        show_json(sizes)
        return
    rows = [(each.table, each.rows, each.bytes) for each in sizes]
    show_table(("table", "rows", "bytes"), rows, empty="the product has no tables")


LIFE_COMMANDS = (timeline, list_members, list_tables)
