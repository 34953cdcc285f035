"""A leg: one direction of a move, with everything that its steps need of both ends."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from promotion import homes
from promotion.changes import Stream
from promotion.reading import Uniques, read_uniques
from promotion.shape import Shape
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
