"""Where the tenant's rows are, and the last proof that all of them arrived there."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency

from router.api.door import NEEDS
from router.api.errand import MemberErrand
from router.catalog import clusters, moves
from router.words import ClusterRole, Isolation, Tier

if TYPE_CHECKING:
    from router.catalog.move_words import Move
    from router.words import Tenant

ISOLATION: Final = {
    Tier.ROWS: "Tables that many tenants share. The database itself shows each transaction the "
    "rows of one tenant and no others.",
    Tier.SCHEMA: "A schema with tables of its own, in a database that several tenants share.",
    Tier.DATABASE: "A database of its own, on a server that holds no shared tables.",
}
_STRICT: Final = " It is reached by a login and connections of its own."


class LocationProof(msgspec.Struct, frozen=True, kw_only=True):
    """What the last move rests on: every table was compared on both sides before the switch."""

    move: UUID
    at: datetime
    tables: int
    rows: int
    digests_equal: bool


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """Where the tenant lives; null until it has a place, and no proof before its first move.

    ``server`` says whether other tenants' places are on the same server. ``pause_ms_expected`` is
    for how long writes wait when it moves, as the last moves of this installation had it.
    """

    tier: Tier | None
    region: str | None
    server: ClusterRole | None
    epoch: int | None
    isolation: str | None
    proof: LocationProof | None
    pause_ms_expected: float | None


@get("/location", tags=["tenant"], summary="Where the tenant's rows are", opt={NEEDS: None})
async def show_location(errand: NamedDependency[MemberErrand]) -> Location:
    """`epoch` grows by one at every move."""
    tenant = errand.tenant
    place = tenant.placement
    async with errand.parts.catalog.connection() as connection:
        found = await clusters.find(connection, place.cluster) if place else None
        last = await moves.find_decided(connection, tenant.id)
        pause_ms = await moves.usual_pause_ms(connection)
    return Location(
        tier=tenant.tier,
        region=found.cluster.region if found else None,
        server=found.cluster.role if found else None,
        epoch=place.epoch if place else None,
        isolation=isolation_told(tenant),
        proof=None if last is None else proof_of(last),
        pause_ms_expected=pause_ms,
    )


def isolation_told(tenant: Tenant) -> str | None:
    """Say in words what keeps the tenant's rows from everybody else."""
    if tenant.tier is None:
        return None
    return ISOLATION[tenant.tier] + (_STRICT if tenant.isolation is Isolation.STRICT else "")


def proof_of(move: Move) -> LocationProof | None:
    """Sum up the receipt of the last decision: the move's own, or that of its undoing."""
    receipt, at = move.receipt, move.decided_at
    if move.undo_receipt is not None:
        receipt, at = move.undo_receipt, move.undone_at
    if receipt is None or at is None:
        return None
    return LocationProof(
        move=move.id,
        at=at,
        tables=len(receipt.proof),
        rows=sum(each.rows for each in receipt.proof),
        digests_equal=all(each.source_digest == each.target_digest for each in receipt.proof),
    )
