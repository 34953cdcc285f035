"""``stepwell domain``."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import click
import msgspec

from deploy.cli.reach import catalog_at, settings_for
from deploy.cli.shell import ACTOR, asynchronous, json_option, say, state_option
from deploy.cli.show import show_json, show_table
from router.catalog import audit, claims, tenants
from router.catalog.claims import Claim, ClaimState
from router.gateway.identity import Site
from router.records import Records, RecordsSilent
from router.words import TenantId


class DomainDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A domain with the record that shows it."""

    name: str
    state: ClaimState
    record_name: str
    record_value: str
    problem: str | None
    expires_at: datetime | None
    verified_at: datetime | None
    off_at: datetime | None

    @classmethod
    def of(cls, claim: Claim) -> DomainDocument:
        """Show a claim."""
        return cls(
            name=claim.name,
            state=claim.state,
            record_name=claim.record_name,
            record_value=claim.record_value,
            problem=claim.problem,
            expires_at=claim.expires_at,
            verified_at=claim.verified_at,
            off_at=claim.off_at,
        )


@click.group()
def domain() -> None:
    """Domains of tenants' own."""


@domain.command("list")
@click.argument("reference", metavar="T")
@state_option
@json_option
@asynchronous
async def list_domains(*, reference: str, state: Path, as_json: bool) -> None:
    """List a tenant's domains, with where they stand."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        tenant = (await tenants.get(connection, reference)).tenant
        found = await claims.list_all(connection, tenant.id)
    if as_json:
        show_json([DomainDocument.of(each) for each in found])
        return
    show_table(
        ("domain", "state", "problem"),
        [(each.name, each.state.value, each.problem or "") for each in found],
        empty=f"{tenant.slug} has no domains",
    )


@domain.command()
@click.argument("reference", metavar="T")
@click.argument("name")
@state_option
@json_option
@asynchronous
async def add(*, reference: str, name: str, state: Path, as_json: bool) -> None:
    """Claim a domain for a tenant, whatever its plan; it is served once its record is there."""
    name = claims.spell(name, site_host=Site.parse(settings_for(state).base_domain).host)
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        tenant = (await tenants.get(connection, reference)).tenant
        claimed = await claims.claim(connection, tenant.id, name)
        await audit.write(connection, _deed("domain.claim", name, tenant.id))
    _show(claimed, as_json=as_json)


@domain.command()
@click.argument("reference", metavar="T")
@click.argument("name")
@state_option
@json_option
@asynchronous
async def check(*, reference: str, name: str, state: Path, as_json: bool) -> None:
    """Look for a domain's record now, and do what it says."""
    settings = settings_for(state)
    async with catalog_at(state) as catalog:
        async with catalog.connection() as connection:
            tenant = (await tenants.get(connection, reference)).tenant
            claimed = await claims.get(connection, tenant.id, name.lower())
        try:
            texts = await Records(settings.dns_servers).texts(claimed.record_name)
        except RecordsSilent:
            async with catalog.connection() as connection:
                heeded = await claims.heed_silence(connection, claimed)
        else:
            grace = timedelta(seconds=settings.domain_grace_s)
            async with catalog.transaction() as connection:
                heeded = await claims.heed(connection, claimed, texts, actor=ACTOR, grace=grace)
    _show(heeded, as_json=as_json)


@domain.command()
@click.argument("reference", metavar="T")
@click.argument("name")
@state_option
@json_option
@asynchronous
async def remove(*, reference: str, name: str, state: Path, as_json: bool) -> None:
    """Take a domain from a tenant: nothing is served there any more."""
    name = name.lower()
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        tenant = (await tenants.get(connection, reference)).tenant
        await claims.remove(connection, tenant.id, name)
        await audit.write(connection, _deed("domain.remove", name, tenant.id))
    if as_json:
        show_json({"name": name, "tenant": tenant.slug})
    else:
        say(f"{name} leads to {tenant.slug} no more")


def _show(claim: Claim, *, as_json: bool) -> None:
    if as_json:
        show_json(DomainDocument.of(claim))
        return
    say(f"{claim.name} is {claim.state.value}" + (f": {claim.problem}" if claim.problem else ""))
    if claim.state is not ClaimState.VERIFIED:
        say("set this record where its DNS is kept:")
        click.echo(f"{claim.record_name} TXT {claim.record_value}")


def _deed(action: str, name: str, tenant_id: TenantId) -> audit.Deed:
    return audit.Deed(actor=ACTOR, action=action, target=name, tenant_id=tenant_id)
