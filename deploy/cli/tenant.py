"""``stepwell tenant``."""

from __future__ import annotations

from pathlib import Path

import click

from deploy import onboarding, renaming, standing
from deploy.cli.documents import OperationDocument, TenantDocument, fields_of
from deploy.cli.reach import catalog_at, platform_at
from deploy.cli.shell import ACTOR, asynchronous, json_option, progress, say, state_option
from deploy.cli.show import show_fields, show_json, show_table
from deploy.onboarding import NewTenant
from deploy.operations import make_runner
from deploy.renaming import NewNames
from router.api.search import FOUND_MAX
from router.catalog import latest, loads, operations, search, tenants
from router.catalog.catalog import PAGE_ITEMS_MAX
from router.catalog.loads import MINUTES_MAX, Measure
from router.catalog.operations import OperationFilter, OperationState
from router.catalog.tenants import TenantFilter
from router.errors import ProvisionFailed
from router.words import Standing, TenantStatus, Tier

BUSIEST_SHOWN = 20
WAIT_S_MAX = 120.0
TIERS = click.Choice([tier.value for tier in Tier])
STATUSES = click.Choice([status.value for status in TenantStatus])
STANDINGS = click.Choice([each.value for each in Standing])


@click.group()
def tenant() -> None:
    """Make, list and change tenants. T is a tenant's slug or its id."""


@tenant.command()
@click.option("--name", required=True, help="The name that people read.")
@click.option("--slug", required=True, help="Its part of every address: a-z, 0-9 and hyphens.")
@click.option("--plan", required=True, help="What it pays for; the tier comes with it.")
@click.option("--owner", required=True, metavar="EMAIL", help="Who owns it.")
@click.option("--cluster", help="Where its rows shall live; else where there is most room.")
@click.option("--wait", is_flag=True, help="Return when it can be used.")
@state_option
@json_option
@asynchronous
async def create(  # noqa: PLR0913 - one for each option
    *,
    name: str,
    slug: str,
    plan: str,
    owner: str,
    cluster: str | None,
    wait: bool,
    state: Path,
    as_json: bool,
) -> None:
    """Make a tenant with an owner, and a place for its rows.

    An owner whose address nobody has proved is invited; the invitation's token is shown once.
    """
    wanted = NewTenant(name=name, slug=slug, plan=plan, owner_email=owner, cluster=cluster)
    async with platform_at(state) as platform:
        made = await onboarding.onboard(platform, wanted, actor=ACTOR)
        operation = made.operation
        if wait:
            runner = make_runner(platform)
            with progress(f"making the place of {slug}"):
                operation = await runner.run_one(operation.id, wait_s_max=WAIT_S_MAX)
            await runner.close()
        async with platform.catalog.connection() as connection:
            record = await tenants.get(connection, str(made.tenant.id))
    document = {
        "tenant": TenantDocument.of(record),
        "operation": OperationDocument.of(operation),
        "invitation": made.invitation,
    }
    if as_json:
        show_json(document)
    else:
        show_fields(fields_of(TenantDocument.of(record)))
        if made.invitation is not None:
            say(f"invitation for {owner}, shown once: {made.invitation.token}")
    if wait and operation.state is not OperationState.DONE:
        raise ProvisionFailed(
            f"the place of {slug} isn't ready: {operation.error or operation.state.value}; "
            "the worker goes on with it"
        )


@tenant.command("list")
@click.option("--plan", help="Only those of this plan.")
@click.option("--tier", type=TIERS, help="Only those in this tier.")
@click.option("--status", type=STATUSES, help="Only those of this status.")
@click.option("--cluster", help="Only those whose rows are on it.")
@click.option("--standing", type=STANDINGS, help="Only those whose payments stand so.")
@click.option("--search", metavar="TEXT", help="Only those with this in the slug or the name.")
@state_option
@json_option
@asynchronous
async def list_tenants(  # noqa: PLR0913 - one for each option
    *,
    plan: str | None,
    tier: str | None,
    status: str | None,
    cluster: str | None,
    standing: str | None,
    search: str | None,
    state: Path,
    as_json: bool,
) -> None:
    """List the tenants by slug, with how busy and how large they are.

    Requests are those of the last hour; sizes are what was measured last.
    """
    chosen = TenantFilter(
        plan=plan,
        tier=Tier(tier) if tier else None,
        status=TenantStatus(status) if status else None,
        search=search,
        cluster=cluster,
        standing=Standing(standing) if standing else None,
    )
    documents: list[TenantDocument] = []
    async with catalog_at(state) as catalog:
        after: str | None = None
        while True:
            async with catalog.connection() as connection:
                page = await tenants.list_page(
                    connection, chosen, after=after, items_max=PAGE_ITEMS_MAX
                )
                ids = [record.tenant.id for record in page.items]
                lately = await latest.of(connection, ids)
            documents += [
                TenantDocument.of(record, lately=lately.get(record.tenant.id))
                for record in page.items
            ]
            if (after := page.next) is None:
                break
    if as_json:
        show_json(documents)
        return
    show_table(
        ("slug", "name", "plan", "tier", "cluster", "status", "standing", "requests", "bytes"),
        [
            (
                each.slug,
                each.name,
                each.plan,
                each.tier,
                each.placement and each.placement.cluster,
                each.status,
                each.standing.value,
                each.lately and each.lately.requests,
                each.lately and each.lately.stored_bytes,
            )
            for each in documents
        ],
        empty="there are no such tenants",
    )


@tenant.command("find")
@click.argument("word")
@state_option
@json_option
@asynchronous
async def find_tenants(*, word: str, state: Path, as_json: bool) -> None:
    """Find tenants by whatever is known of them.

    WORD is the beginning of a slug or a domain, a part of a name, or the whole of an id, an e-mail
    address, the provider's customer or subscription, or the id of a request.
    """
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        found = await search.find(connection, word.strip(), items_max=FOUND_MAX)
    if as_json:
        show_json(found)
        return
    show_table(
        ("tenant", "name", "status", "plan", "tier", "found by", "which is"),
        [(it.slug, it.name, it.status, it.plan, it.tier or "", it.way, it.what) for it in found],
        empty=f"nothing is known of {word!r}; give the whole of an id or an address",
    )


@tenant.command()
@click.option(
    "--by",
    type=click.Choice([each.value for each in Measure]),
    default=Measure.BUSY.value,
    show_default=True,
    help="Time on a connection, requests, or time in line.",
)
@click.option(
    "--minutes",
    type=click.IntRange(1, MINUTES_MAX),
    default=60,
    show_default=True,
    help="How far to look back.",
)
@click.option("--cluster", help="Only tenants whose rows are on it.")
@state_option
@json_option
@asynchronous
async def busiest(
    *, by: str, minutes: int, cluster: str | None, state: Path, as_json: bool
) -> None:
    """List the tenants that keep the databases busy, the most first."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        found = await loads.first(
            connection, minutes=minutes, by=Measure(by), cluster=cluster, items_max=BUSIEST_SHOWN
        )
    if as_json:
        show_json(found)
        return
    show_table(
        ("tenant", "plan", "tier", "cluster", "requests", "busy ms", "waiting ms"),
        [
            (
                it.slug,
                it.plan,
                it.tier or "",
                it.cluster or "",
                str(it.requests),
                str(it.busy_ms),
                str(it.waiting_ms),
            )
            for it in found.items
        ],
        empty="no tenant was busy in this time",
    )


@tenant.command()
@click.argument("reference", metavar="T")
@state_option
@json_option
@asynchronous
async def show(*, reference: str, state: Path, as_json: bool) -> None:
    """Show a tenant with its placement and its last operation."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        record = await tenants.get(connection, reference)
        page = await operations.list_page(
            connection, OperationFilter(tenant_id=record.tenant.id), items_max=1
        )
    last = OperationDocument.of(page.items[0]) if page.items else None
    document = TenantDocument.of(record, operation=last)
    if as_json:
        show_json(document)
    else:
        show_fields(fields_of(document))


@tenant.command()
@click.argument("reference", metavar="T")
@click.option("--reason", required=True, help="Why, for the audit.")
@state_option
@json_option
@asynchronous
async def suspend(*, reference: str, reason: str, state: Path, as_json: bool) -> None:
    """Stop serving a tenant; its rows stay."""
    await _change(state, reference, standing.Change.SUSPEND, reason, as_json=as_json)


@tenant.command()
@click.argument("reference", metavar="T")
@click.option("--reason", default="", help="Why, for the audit.")
@state_option
@json_option
@asynchronous
async def resume(*, reference: str, reason: str, state: Path, as_json: bool) -> None:
    """Serve a suspended tenant again."""
    await _change(state, reference, standing.Change.RESUME, reason, as_json=as_json)


@tenant.command()
@click.argument("reference", metavar="T")
@click.argument("switch", metavar="on|off", type=click.Choice(["on", "off"]))
@click.option("--reason", default="", help="Why, for the audit.")
@state_option
@json_option
@asynchronous
async def maintenance(
    *, reference: str, switch: str, reason: str, state: Path, as_json: bool
) -> None:
    """Answer a tenant's requests with 503 for a while, or no longer."""
    change = standing.Change.CLOSE if switch == "on" else standing.Change.OPEN
    await _change(state, reference, change, reason, as_json=as_json)


@tenant.command()
@click.argument("reference", metavar="T")
@click.option("--name", help="The name that people read.")
@click.option("--slug", help="Its part of every address; the one before still leads to it.")
@click.option("--reason", default="", help="Why, for the audit.")
@state_option
@json_option
@asynchronous
async def rename(  # noqa: PLR0913 - one for each option
    *,
    reference: str,
    name: str | None,
    slug: str | None,
    reason: str,
    state: Path,
    as_json: bool,
) -> None:
    """Give a tenant another name, another slug, or both."""
    if name is None and slug is None:
        raise click.UsageError("say what is to be different: --name, --slug or both")
    wanted = NewNames(name=name, slug=slug, actor=ACTOR, reason=reason or None)
    async with catalog_at(state) as catalog:
        record = await renaming.rename(catalog, reference, wanted)
    if as_json:
        show_json(TenantDocument.of(record))
    else:
        say(f"{record.tenant.slug} is called {record.tenant.name}")


async def _change(
    state: Path, reference: str, change: standing.Change, reason: str, *, as_json: bool
) -> None:
    async with catalog_at(state) as catalog:
        wanted = standing.WantedChange(change=change, actor=ACTOR, reason=reason or None)
        record = await standing.apply(catalog, reference, wanted)
    if as_json:
        show_json(TenantDocument.of(record))
    else:
        say(f"{record.tenant.slug} is {record.tenant.status.value}")
