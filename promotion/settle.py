"""Settle: the source of a decided move is erased, and with it the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promotion.erasing import calm, erase_place, hush, patiently
from promotion.side import Mover, Side
from router.catalog import moves, moving
from router.catalog.moving import Noted

if TYPE_CHECKING:
    from promotion.terms import Terms
    from router.catalog.operations import Operation
    from router.catalog.runner import Progress


class SettleHandler:
    """Does operations of kind ``settle``."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms

    async def __call__(self, operation: Operation, progress: Progress) -> None:
        """Erase the source, look that it is gone, and record what was erased."""
        terms = self._terms
        async with terms.catalog.connection() as connection:
            move = await moves.get(connection, moving.move_of(operation))

        async def check_ours() -> None:
            async with terms.catalog.connection() as connection:
                await moving.note_progress(connection, operation, Noted())

        async with terms.catalog.transaction() as connection:
            await moving.begin_settling(connection, operation)
        terms.faults.reach("settle.before")
        mover = Mover(move_id=operation.id, token=operation.fencing_token)
        living = Side(fleet=terms.fleet, tenant_id=move.tenant_id, placement=move.target)
        gone = Side(fleet=terms.fleet, tenant_id=move.tenant_id, placement=move.source)
        with patiently(living):
            await hush(living, mover, check_ours)
            erased = await erase_place(
                terms, gone, mover, landing_schema=None, beside=living, check_ours=check_ours
            )
            terms.faults.reach("settle.erased")
            await calm(living, mover, check_ours)
        terms.faults.reach("settle.calm")
        async with terms.catalog.transaction() as connection:
            await moving.settled(connection, progress, erased)
        terms.figures.ended("settled")
        terms.faults.reach("settle.after")
