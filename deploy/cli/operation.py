"""``stepwell operation``."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import click

from deploy.cli.documents import OperationDocument
from deploy.cli.paging import first_items
from deploy.cli.reach import catalog_at
from deploy.cli.shell import ACTOR, asynchronous, json_option, say, state_option
from deploy.cli.show import show_fields, show_json, show_table
from router.api.fleet import OperationWhole
from router.api.shapes import OperationShown
from router.catalog import audit, operations, retrying, tenants
from router.catalog.catalog import Page
from router.catalog.operations import OperationFilter, OperationState
from router.catalog.retrying import OperationLine

OPERATIONS_MAX = 10_000
STATES = click.Choice([state.value for state in OperationState])


@click.group()
def operation() -> None:
    """Recorded work: provisions, moves, migrations, archives. ID is its own."""


@operation.command("list")
@click.option("--failing", is_flag=True, help="Only what failed and hasn't ended well since.")
@click.option("--operation-state", "operation_state", type=STATES, help="Only of this state.")
@click.option("--kind", metavar="KIND", help="Only of this kind.")
@click.option("--tenant", "reference", metavar="T", help="Only this tenant's.")
@click.option(
    "--limit",
    type=click.IntRange(1, OPERATIONS_MAX),
    default=50,
    show_default=True,
    help="How many of the newest.",
)
@state_option
@json_option
@asynchronous
async def list_operations(  # noqa: PLR0913 - one for each option
    *,
    failing: bool,
    operation_state: str | None,
    kind: str | None,
    reference: str | None,
    limit: int,
    state: Path,
    as_json: bool,
) -> None:
    """List work, the newest first. What waits with an error is tried again by itself."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        tenant_id = (await tenants.get(connection, reference)).tenant.id if reference else None
        wanted = OperationState(operation_state) if operation_state else None
        chosen = OperationFilter(kind=kind, tenant_id=tenant_id, state=wanted)

        async def ask(cursor: str | None, items_max: int) -> Page[OperationLine]:
            return await retrying.list_page(
                connection,
                chosen,
                is_failing=failing or wanted is OperationState.FAILED,
                before=UUID(cursor) if cursor else None,
                items_max=items_max,
            )

        found = await first_items(ask, limit)
    if as_json:
        show_json(found)
        return
    rows = [
        (
            f"{each.created_at:%Y-%m-%d %H:%M:%S}",
            each.kind,
            each.tenant_slug,
            each.state.value,
            each.step,
            each.attempts,
            each.error,
            each.id,
        )
        for each in found
    ]
    show_table(
        ("recorded", "kind", "tenant", "state", "step", "attempts", "error", "operation"),
        rows,
        empty="there is no such work",
    )


@operation.command()
@click.argument("operation_id", metavar="ID", type=click.UUID)
@state_option
@json_option
@asynchronous
async def show(*, operation_id: UUID, state: Path, as_json: bool) -> None:
    """Show an operation with what happened so far."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        found = await operations.get(connection, operation_id)
        log = await operations.read_log(connection, operation_id)
    if as_json:
        show_json(OperationWhole(operation=OperationShown.of(found), log=log))
        return
    document = OperationDocument.of(found)
    names = OperationDocument.__struct_fields__
    show_fields({name: getattr(document, name) for name in names})
    rows = [(f"{each.at:%Y-%m-%d %H:%M:%S}", each.step, each.note) for each in log]
    show_table(("at", "step", "what happened"), rows, empty="nothing happened yet")


@operation.command()
@click.argument("operation_id", metavar="ID", type=click.UUID)
@click.option("--reason", default="an operator's command", help="Why, for the audit.")
@state_option
@json_option
@asynchronous
async def retry(*, operation_id: UUID, reason: str, state: Path, as_json: bool) -> None:
    """Have work that failed tried at once, where its kind allows it."""
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        found, is_changed = await retrying.retry(connection, operation_id)
        if is_changed:
            deed = audit.Deed(
                actor=ACTOR,
                action="operation.retry",
                target=str(found.id),
                tenant_id=found.tenant_id,
                reason=reason,
                detail={"kind": found.kind, "step": found.step},
            )
            await audit.write(connection, deed)
    if as_json:
        show_json(OperationDocument.of(found))
    else:
        told = "is tried again" if is_changed else f"is {found.state.value}: it is on its way"
        say(f"{found.kind} {found.id} {told}")
