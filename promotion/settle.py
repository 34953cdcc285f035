"""Settle: the source of a decided move is erased, and with it the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promotion import capture, homes
from promotion.erasing import erase_place
from promotion.side import Side
from router.catalog import moves, moving

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
        terms.faults.reach("settle.before")
        living = Side(fleet=terms.fleet, tenant_id=move.tenant_id, placement=move.target)
        gone = Side(fleet=terms.fleet, tenant_id=move.tenant_id, placement=move.source)
        async with living.connection("settle") as connection:
            await capture.sleep(connection, move.tenant_id, wait_s_max=terms.limits.wait_s_max)
        erased = await erase_place(terms, gone, landing_schema=None, beside=living)
        terms.faults.reach("settle.erased")
        async with living.connection("settle") as connection:
            await capture.forget(connection, move.tenant_id)
            await homes.dismiss_all(connection, move.tenant_id)
        async with terms.catalog.transaction() as connection:
            await moving.settled(connection, progress, erased)
        terms.faults.reach("settle.after")
