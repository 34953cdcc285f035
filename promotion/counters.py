"""Generated ids: the target goes on where the source stopped, and never lower."""

from __future__ import annotations

from typing import TYPE_CHECKING

from promotion.applying import literal
from router.sql import load
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from promotion.side import Side

_SQL = load("promotion", "counters.sql")


def counter_statements(side: Side, counters: Mapping[str, int]) -> str:
    """Spell what makes every generated id of the target greater than those that were given.

    ``counters`` are from reading.read_counters(). A sequence doesn't come back with a transaction
    that is taken back, and that does no harm: ids are skipped, none is given twice.
    """
    name = "raise_counter" if side.placement.tier is Tier.ROWS else "raise_sequences"
    return ";\n".join(
        _SQL[name].format(
            tenant=f"{literal(str(side.tenant_id))}::uuid",
            schema=literal(side.schema),
            table=literal(table),
            value=value,
        )
        for table, value in sorted(counters.items())
    )
