"""A leg: one direction of a move, with everything that its steps need of both ends."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from promotion import homes
from promotion.changes import Stream
from promotion.reading import Uniques, read_uniques
from promotion.shape import Shape, ShapeDiffers
from promotion.side import Mover, Side

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from router.connect import Connection

#: What the progress calls the schemas and logins of both ends: the doctor finds two places well.
PLACES_PART = "places"
#: And the schema whose tables are bare for now.
BARE_PART = "bare"
#: What the target's progress calls the snapshot from which its own changes count, for the way back.
REVERSE_PART = "reverse"
_REVISION = "SELECT revision FROM gate.revision WHERE schema_name = $1"


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """Rows go from ``source`` to ``target``.

    ``into`` is where they are written until they are whole: the target, or the private tables
    before it. ``captures`` says whether changes at the target are written down from its first
    transaction on, so that the way back stays open.
    """

    source: Side
    target: Side
    into: Side
    shape: Shape
    mover: Mover
    captures: bool

    @property
    def is_one_database(self) -> bool:
        """Whether both ends share one gate."""
        here, there = self.source.placement, self.target.placement
        return (here.cluster, here.database) == (there.cluster, there.database)

    @property
    def lands(self) -> bool:
        """Whether rows are in private tables before they are at the target."""
        return self.into.schema != self.target.schema


class Ends(msgspec.Struct, frozen=True, kw_only=True):
    """The mover's two connections, and what it asked once of what must be unique."""

    source: Connection
    target: Connection
    uniques: Uniques

    def stream(self, leg: Leg) -> Stream:
        """Say between which tables changes run."""
        return Stream(
            source=leg.source,
            target=leg.into,
            shape=leg.shape,
            uniques=self.uniques,
            mover=leg.mover,
        )


@asynccontextmanager
async def reaching(leg: Leg) -> AsyncGenerator[Ends]:
    """Connect to both ends as the only mover there."""
    name = str(leg.mover.move_id)
    async with leg.source.connection(name) as source, leg.target.connection(name) as target:
        spared = [source.get_server_pid(), target.get_server_pid()]
        for connection in (source, target):
            await homes.take_over(connection, leg.mover, leg.source.tenant_id, spared=spared)
        uniques = await read_uniques(source, leg.source, leg.shape)
        yield Ends(source=source, target=target, uniques=uniques)


async def is_left(leg: Leg, source: Connection) -> bool:
    """Ask the source's gate whether the decision was made: nobody else knows for sure."""
    home = await homes.find(source, leg.source.tenant_id)
    return home is not None and home.epoch >= leg.target.placement.epoch


async def check_revisions(leg: Leg, ends: Ends) -> None:
    """Raise ShapeDiffers when rows would end among tables of another revision of the product.

    Tables that look alike aren't enough: a revision may change rows alone, and those that come
    from before it would never be changed.
    """
    there = {leg.into.schema, leg.target.schema}
    here: str | None = await ends.source.fetchval(_REVISION, leg.source.schema)
    for schema in sorted(there):
        found: str | None = await ends.target.fetchval(_REVISION, schema)
        if found != here:
            raise ShapeDiffers(
                f"the tables of {leg.source.schema} are at revision {here}, those of {schema} at "
                f"{found}: the tenant moves when a migration has brought both to the same one"
            )
