"""``stepwell move``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click
import msgspec

from deploy.cli.documents import OperationDocument
from deploy.cli.following import follow
from deploy.cli.paging import first_items
from deploy.cli.promote import how, told
from deploy.cli.reach import catalog_at
from deploy.cli.shell import ACTOR, asynchronous, json_option, say, state_option
from deploy.cli.show import show_fields, show_json, show_table
from promotion.faults import POINTS
from router.catalog import move_holds, moves, tenants
from router.catalog.catalog import Page
from router.catalog.move_words import Move, MoveDocument, place_told
from router.catalog.moves import By, MoveFilter

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from router.connect import Connection

MOVES_MAX = 10_000


def _reason_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option("--reason", default="an operator's command", help="Why, for the audit.")(
        command
    )


@click.group()
def move() -> None:
    """What becomes of moves. ID is a move's, or that of its undoing or settling."""


@move.command("list")
@click.option("--tenant", "reference", metavar="T", help="Only those of this tenant.")
@click.option(
    "--open", "is_open", is_flag=True, help="Only those that something is left to do for."
)
@click.option(
    "--limit",
    type=click.IntRange(1, MOVES_MAX),
    default=50,
    show_default=True,
    help="How many of the newest.",
)
@state_option
@json_option
@asynchronous
async def list_moves(
    *, reference: str | None, is_open: bool, limit: int, state: Path, as_json: bool
) -> None:
    """List moves, the newest first."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        tenant_id = (await tenants.get(connection, reference)).tenant.id if reference else None
        chosen = MoveFilter(tenant_id=tenant_id, is_open=is_open)

        async def ask(cursor: str | None, items_max: int) -> Page[Move]:
            before = UUID(cursor) if cursor else None
            return await moves.list_page(connection, chosen, before=before, items_max=items_max)

        found = await first_items(ask, limit)
    if as_json:
        show_json([MoveDocument.of(each) for each in found])
        return
    show_table(
        ("tenant", "from", "to", "state", "rows", "pause", "requested", "move"),
        [_row(each) for each in found],
        empty="nobody has moved yet",
    )


@move.command()
@click.argument("move_id", metavar="ID", type=click.UUID)
@state_option
@json_option
@asynchronous
async def show(*, move_id: UUID, state: Path, as_json: bool) -> None:
    """Show a move with its proof: the digests of both sides, table by table."""
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        found = await moves.get(connection, move_id)
    document = MoveDocument.of(found)
    if as_json:
        show_json(document)
        return
    show_fields(_fields(found, document))
    show_table(
        ("table", "rows", "source", "target"),
        [
            (each.table, each.rows, each.source_digest, each.target_digest)
            for each in document.proof
        ],
        empty="nothing is proved yet",
    )


@move.command()
@click.argument("move_id", metavar="ID", type=click.UUID)
@_reason_option
@state_option
@json_option
@asynchronous
async def cancel(*, move_id: UUID, reason: str, state: Path, as_json: bool) -> None:
    """Turn a move back before its decision; the tenant stays where it is."""
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        found = await moves.request_cancel(connection, move_id, By(actor=ACTOR, reason=reason))
    if as_json:
        show_json(MoveDocument.of(found))
    else:
        say(f"the move {found.told()} of {found.slug} is {found.stage.value}")


@move.command()
@click.argument("move_id", metavar="ID", type=click.UUID)
@_reason_option
@state_option
@json_option
@asynchronous
async def pause(*, move_id: UUID, reason: str, state: Path, as_json: bool) -> None:
    """Have a move stand still before its decision, until `move resume`."""
    await _say(state, move_holds.pause, _Word(move_id, reason), as_json=as_json)


@move.command()
@click.argument("move_id", metavar="ID", type=click.UUID)
@_reason_option
@state_option
@json_option
@asynchronous
async def resume(*, move_id: UUID, reason: str, state: Path, as_json: bool) -> None:
    """Have a paused move go on where it stopped."""
    await _say(state, move_holds.resume, _Word(move_id, reason), as_json=as_json)


@move.command()
@click.argument("move_id", metavar="ID", type=click.UUID)
@_reason_option
@state_option
@json_option
@asynchronous
async def hold(*, move_id: UUID, reason: str, state: Path, as_json: bool) -> None:
    """Have a move do all but the switch, and follow until `move cut-over`, or `move release`."""
    await _say(state, move_holds.hold, _Word(move_id, reason), as_json=as_json)


@move.command()
@click.argument("move_id", metavar="ID", type=click.UUID)
@_reason_option
@state_option
@json_option
@asynchronous
async def release(*, move_id: UUID, reason: str, state: Path, as_json: bool) -> None:
    """Have a held move switch by itself when it is ready."""
    await _say(state, move_holds.release, _Word(move_id, reason), as_json=as_json)


@move.command("cut-over")
@click.argument("move_id", metavar="ID", type=click.UUID)
@click.option("--wait", is_flag=True, help="Return when it is done.")
@_reason_option
@state_option
@json_option
@asynchronous
async def cut_over(*, move_id: UUID, wait: bool, reason: str, state: Path, as_json: bool) -> None:
    """Lift a move's pause and hold, and spare no neighbour until it has switched.

    Every proof is made as ever.
    """
    await _say(state, move_holds.cut_over, _Word(move_id, reason, wait=wait), as_json=as_json)


@move.command()
@click.argument("move_id", metavar="ID", type=click.UUID)
@click.option("--wait", is_flag=True, help="Return when it is done.")
@_reason_option
@state_option
@json_option
@asynchronous
async def undo(*, move_id: UUID, wait: bool, reason: str, state: Path, as_json: bool) -> None:
    """Take a decided move back without copying, until it is settled.

    What was written since goes back with the tenant. The pins stay: `promote --to plan` takes them
    away.
    """
    async with catalog_at(state) as catalog:
        async with catalog.transaction() as connection:
            await moves.record_undo(connection, move_id, By(actor=ACTOR, reason=reason))
        async with catalog.connection() as connection:
            found = await moves.get(connection, move_id)
        document = await follow(catalog, found.id) if wait else MoveDocument.of(found)
    if as_json:
        show_json(document)
    else:
        say(told(found.slug, document))


@move.command()
@click.argument("move_id", metavar="ID", type=click.UUID)
@_reason_option
@state_option
@json_option
@asynchronous
async def settle(*, move_id: UUID, reason: str, state: Path, as_json: bool) -> None:
    """Erase the source of a move now and not later; after that nothing is undone."""
    async with catalog_at(state) as catalog, catalog.transaction() as connection:
        operation = await moves.settle_now(connection, move_id, By(actor=ACTOR, reason=reason))
    if as_json:
        show_json(OperationDocument.of(operation))
    else:
        say(f"the source of the move {move_id} is being erased (operation {operation.id})")


@move.command()
@json_option
def faultpoints(*, as_json: bool) -> None:
    """List the points at which a worker can be made to die, for tests of what happens then."""
    if as_json:
        show_json(POINTS)
        return
    for point in POINTS:
        click.echo(point)


class _Word(msgspec.Struct, frozen=True):
    """What somebody says of a move's pace, and why."""

    move_id: UUID
    reason: str
    wait: bool = False


async def _say(
    state: Path,
    said: Callable[[Connection, UUID, By], Awaitable[Move]],
    word: _Word,
    *,
    as_json: bool,
) -> None:
    async with catalog_at(state) as catalog:
        async with catalog.transaction() as connection:
            found = await said(connection, word.move_id, By(actor=ACTOR, reason=word.reason))
        document = await follow(catalog, found.id) if word.wait else MoveDocument.of(found)
    if as_json:
        show_json(document)
    else:
        say(told(found.slug, document))


def _row(found: Move) -> tuple[object, ...]:
    document = MoveDocument.of(found)
    return (
        found.slug,
        place_told(found.source),
        place_told(found.target),
        "paused" if document.paused_at else "held" if document.held_at else document.state.value,
        f"{document.rows_copied:,}",
        _pause(document),
        f"{found.requested_at:%Y-%m-%d %H:%M:%S}",
        found.id,
    )


def _fields(found: Move, document: MoveDocument) -> dict[str, object]:
    fields: dict[str, object] = {
        "move": found.id,
        "tenant": found.slug,
        "from": f"{place_told(found.source)}, epoch {found.source.epoch}",
        "to": f"{place_told(found.target)}, epoch {found.target.epoch}",
        "asked by": f"{found.requested_by}: {found.reason}",
        "state": how(document),
        "step": document.step,
        "rows": f"{document.rows_copied:,}"
        + ("" if document.rows_total is None else f" of {document.rows_total:,}"),
        "pause": _pause(document),
        "attempts": document.attempts,
        "error": document.error,
    }
    if document.undo_until is not None:
        fields["can be undone until"] = f"{document.undo_until:%Y-%m-%d %H:%M:%S} UTC"
    if document.settled_at is not None:
        fields["settled"] = f"{document.settled_at:%Y-%m-%d %H:%M:%S} UTC"
    return fields


def _pause(document: MoveDocument) -> str:
    return "-" if document.pause_ms is None else f"{document.pause_ms:.1f} ms"
