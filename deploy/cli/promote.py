"""``stepwell promote``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli.documents import OperationDocument
from deploy.cli.following import follow
from deploy.cli.reach import platform_at
from deploy.cli.shell import ACTOR, asynchronous, json_option, say, state_option
from deploy.cli.show import show_fields, show_json, show_table
from deploy.promoting import SETTLE_WAIT_S_MAX, Promoting
from router.catalog import moves
from router.catalog.move_words import MoveDocument, MovePlace
from router.catalog.moves import By, Goal
from router.words import Tier

if TYPE_CHECKING:
    from deploy.platform import Platform
    from router.catalog.move_words import Rehearsal
    from router.catalog.moves import Begun

PLAN = "plan"
#: With --wait, a large earlier move may take long to be erased first.
_PATIENT_S = 3_600.0


@click.command()
@click.argument("reference", metavar="T")
@click.option(
    "--to",
    "wish",
    type=click.Choice([*(tier.value for tier in Tier), PLAN]),
    required=True,
    help="A tier, which is pinned; or `plan`, which takes the pins away.",
)
@click.option("--cluster", help="A cluster, which is pinned; else where it is or has most room.")
@click.option("--reason", default="an operator's promote", help="Why, for pin and audit.")
@click.option(
    "--hold", "holds", is_flag=True, help="Stop before the switch, until `move cut-over`."
)
@click.option(
    "--wait", is_flag=True, help="Return when it is done, or held, and show how far it is."
)
@click.option("--dry-run", is_flag=True, help="Tell what would be done, and do nothing.")
@state_option
@json_option
@asynchronous
async def promote(  # noqa: PLR0913 - one for each option
    *,
    reference: str,
    wish: str,
    cluster: str | None,
    reason: str,
    holds: bool,
    wait: bool,
    dry_run: bool,
    state: Path,
    as_json: bool,
) -> None:
    """Move a tenant to another tier, up or down, or to another cluster, while it works.

    Until it is settled, a move is undone without copying: that is what promoting the tenant back
    does. Promoted to a third place, it is settled first.
    """
    tier = None if wish == PLAN else Tier(wish)
    goal = Goal(tenant=reference, tier=tier, cluster=cluster, holds=holds)
    by = By(actor=ACTOR, reason=reason)
    async with platform_at(state) as platform:
        promoting = Promoting(platform, settle_wait_s_max=_PATIENT_S if wait else SETTLE_WAIT_S_MAX)
        if dry_run:
            _show_rehearsal(await promoting.foresee(goal, by), as_json=as_json)
            return
        begun = await promoting.begin(goal, by)
        move = await _move(platform, begun, wait=wait, holds=holds)
    if as_json:
        operation = begun.operation
        show_json(
            {"operation": OperationDocument.of(operation) if operation else None, "move": move}
        )
    elif move is None:
        say(f"{begun.tenant.slug} is where its plan wants it")
    else:
        say(told(begun.tenant.slug, move))


def told(slug: str, move: MoveDocument) -> str:
    """Say in one sentence how a move stands."""
    way = f"{slug}, {_place(move.source)} → {_place(move.target)}"
    pause = "" if move.pause_ms is None else f", writers were held for {move.pause_ms:.0f} ms"
    return f"{way}: {how(move)}{pause} (move {move.id})"


def how(move: MoveDocument) -> str:
    """Say in a few words how a move stands, and for whom it waits."""
    if move.paused_at is not None:
        return f"paused by {move.paused_by}: {move.paused_reason}"
    if move.awaits_cut_over:
        return f"ready, and held before its switch by {move.held_by}: {move.held_reason}"
    if move.held_at is not None:
        return f"{move.state.value}, to be held before its switch"
    return move.state.value


def _place(place: MovePlace) -> str:
    return f"{place.tier.value} on {place.cluster}"


async def _move(
    platform: Platform, begun: Begun, *, wait: bool, holds: bool
) -> MoveDocument | None:
    if begun.operation is None:
        return None
    async with platform.catalog.connection() as connection:
        move = await moves.get(connection, begun.operation.id)
    if not wait:
        return MoveDocument.of(move)
    return await follow(platform.catalog, move.id, until_held=holds)


def _show_rehearsal(rehearsal: Rehearsal, *, as_json: bool) -> None:
    if as_json:
        show_json(rehearsal)
        return
    target = "-" if rehearsal.tier is None else f"{rehearsal.tier.value} on {rehearsal.cluster}"
    basis = f"{rehearsal.experience} moves before" if rehearsal.experience else "no move yet"
    show_fields(
        {
            "does": rehearsal.does,
            "from": _place(rehearsal.source),
            "to": target,
            "steps": " → ".join(rehearsal.steps),
            "rows": f"{rehearsal.rows:,}",
            "bytes": f"{rehearsal.bytes:,}",
            "expected duration": f"{rehearsal.duration_s:,.1f} s ({basis})",
            "expected pause": f"{rehearsal.pause_ms:.0f} ms ({basis})",
        }
    )
    show_table(
        ("table", "rows", "bytes"),
        [(each.table, f"{each.rows:,}", f"{each.bytes:,}") for each in rehearsal.tables],
        empty="the product has no tables",
    )
