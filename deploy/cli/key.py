"""``stepwell key``."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from deploy.cli.reach import catalog_at
from deploy.cli.shell import ACTOR, asynchronous, json_option, say, state_option
from deploy.cli.show import show_json
from router.catalog import audit, keys, tenants


class KeyDocument(msgspec.Struct, frozen=True, kw_only=True):
    """An API key with its secret, which nobody can read again."""

    id: str
    secret: str
    name: str
    role: str
    tenant: str


@click.group()
def key() -> None:
    """API keys: how programs enter a tenant."""


@key.command()
@click.argument("reference", metavar="T")
@click.option("--name", required=True, help="What it is for.")
@click.option("--role", default="member", show_default=True, help="What it may do.")
@state_option
@json_option
@asynchronous
async def create(*, reference: str, name: str, role: str, state: Path, as_json: bool) -> None:
    """Make an API key of a tenant and show its secret, once."""
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        tenant = (await tenants.get(connection, reference)).tenant
        issued = await keys.issue(connection, tenant.id, name=name, role=role)
        await audit.write(
            connection,
            audit.Deed(
                actor=ACTOR,
                action="key.create",
                target=issued.key.id,
                tenant_id=tenant.id,
                detail={"name": name, "role": role},
            ),
        )
    if as_json:
        made = issued.key
        show_json(
            KeyDocument(
                id=made.id, secret=issued.secret, name=made.name, role=made.role, tenant=tenant.slug
            )
        )
        return
    say(f"key {issued.key.id} of {tenant.slug}; its secret is shown once:")
    click.echo(issued.secret)
