"""``stepwell inbox``."""

from __future__ import annotations

from pathlib import Path

import click

from billing import inbox as events
from billing.inbox import EventState, InboxEvent, InboxFilter
from billing.ops_routes import EventLine
from deploy.cli.paging import first_items
from deploy.cli.reach import catalog_at
from deploy.cli.shell import ACTOR, asynchronous, json_option, say, state_option
from deploy.cli.show import show_fields, show_json, show_table
from router.catalog import audit, tenants
from router.catalog.catalog import Page

EVENTS_MAX = 10_000
STATES = click.Choice([state.value for state in EventState])


@click.group()
def inbox() -> None:
    """The payment provider's events, each stored once. ID is the provider's."""


@inbox.command("list")
@click.option("--event-state", "event_state", type=STATES, help="Only those of this state.")
@click.option("--type", "kind", metavar="TYPE", help="Only those of this type.")
@click.option("--tenant", "reference", metavar="T", help="Only those about this tenant.")
@click.option(
    "--limit",
    type=click.IntRange(1, EVENTS_MAX),
    default=50,
    show_default=True,
    help="How many of the newest.",
)
@state_option
@json_option
@asynchronous
async def list_events(  # noqa: PLR0913 - one for each option
    *,
    event_state: str | None,
    kind: str | None,
    reference: str | None,
    limit: int,
    state: Path,
    as_json: bool,
) -> None:
    """List events, the newest first. Kept ones were given up: nobody knows their customer."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        tenant_id = (await tenants.get(connection, reference)).tenant.id if reference else None
        chosen = InboxFilter(
            state=EventState(event_state) if event_state else None, type=kind, tenant_id=tenant_id
        )

        async def ask(cursor: str | None, items_max: int) -> Page[InboxEvent]:
            return await events.list_page(connection, chosen, before=cursor, items_max=items_max)

        found = [EventLine.of(event) for event in await first_items(ask, limit)]
    if as_json:
        show_json(found)
        return
    rows = [
        (f"{each.received_at:%Y-%m-%d %H:%M:%S}", each.type, each.state, each.deliveries, each.id)
        for each in found
    ]
    show_table(
        ("received", "type", "state", "deliveries", "event"), rows, empty="there are no such events"
    )


@inbox.command()
@click.argument("event_id", metavar="ID")
@state_option
@json_option
@asynchronous
async def show(*, event_id: str, state: Path, as_json: bool) -> None:
    """Show an event with its payload, which is never believed."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        event = await events.get(connection, event_id)
    if as_json:
        show_json(event)
        return
    line = EventLine.of(event)
    show_fields({name: getattr(line, name) for name in EventLine.__struct_fields__})
    click.echo(event.payload)


@inbox.command()
@click.argument("event_id", metavar="ID")
@click.option("--reason", default="an operator's command", help="Why, for the audit.")
@state_option
@json_option
@asynchronous
async def replay(*, event_id: str, reason: str, state: Path, as_json: bool) -> None:
    """Have the provider asked again about the customer of an event."""
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        event = await events.replay(connection, event_id)
        deed = audit.Deed(
            actor=ACTOR,
            action="inbox.replay",
            target=event.id,
            tenant_id=event.tenant_id,
            reason=reason,
        )
        await audit.write(connection, deed)
    if as_json:
        show_json(EventLine.of(event))
    else:
        say(f"{event.id} waits again; the worker looks at its customer")
