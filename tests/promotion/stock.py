"""Many rows for one tenant of the shop, fast: written where it lives, past every check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from router.sql import load
from router.words import Placement, TenantId, Tier

if TYPE_CHECKING:
    from router.connect import Connection

_SQL = load("tests.promotion", "stock.sql")
_NUMBERED = (
    "genre",
    "media_type",
    "artist",
    "album",
    "track",
    "employee",
    "customer",
    "invoice",
    "invoice_line",
    "playlist",
)
MEASURE_MIN = 1_000


class Stock(msgspec.Struct, frozen=True, kw_only=True):
    """What is there before anybody comes: rows have the numbers from 1 on."""

    artists: int
    customers: int
    tracks: int
    rows: int


async def fill(
    connection: Connection, tenant_id: TenantId, place: Placement, *, measure: int
) -> Stock:
    """Write about as many rows as ``measure`` says, which is a multiple of 1,000."""
    assert measure >= MEASURE_MIN, "every table gets at least some rows"
    await connection.execute("SELECT set_config('search_path', $1, false)", place.schema)
    await connection.execute(_SQL["unchecked"])
    counts: dict[str, int] = {}
    for table in (*_NUMBERED, "playlist_track"):
        status = await connection.execute(_SQL[table], tenant_id, measure)
        counts[table] = int(status.rpartition(" ")[2])
    await connection.execute(_SQL["checked"])
    for table in _NUMBERED:
        if place.tier is Tier.ROWS:
            await connection.execute(_SQL["counter"], tenant_id, table, counts[table])
        else:
            await connection.execute(_SQL["sequence"], table, f"{table}_id", counts[table])
    await connection.execute("ANALYZE")
    return Stock(
        artists=counts["artist"],
        customers=counts["customer"],
        tracks=counts["track"],
        rows=sum(counts.values()),
    )
