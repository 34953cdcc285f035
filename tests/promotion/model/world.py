"""The state of a move: two databases, the catalog, two routers, two movers.

Everything is a tuple of small values, so that a state can be a dictionary's key. There are four
writes, two by each router, and two rows, one for each router: a set of writes is a mask of four
bits, and a row holds the writes that were appended to it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

#: At most.
WRITES_EACH: Final = 2
#: What each router appends to: a row, named by the writes that it can hold.
ROW_OF: Final = (0b0011, 0b1100)
EVERY_ROW: Final = 0b1111


class Place(StrEnum):
    SOURCE = "source"
    TARGET = "target"


class Route(NamedTuple):
    """A placement, as far as it matters here. What bears another epoch is refused."""

    place: Place
    epoch: int


#: The tenant lived at the target long ago; it lives at the source; it shall live at the target.
LONG_AGO: Final = Route(Place.TARGET, 1)
NOW: Final = Route(Place.SOURCE, 2)
NEXT: Final = Route(Place.TARGET, 3)


class State(StrEnum):
    """``gate.home.state``; erased is no part of a move."""

    RECEIVING = "receiving"
    ACTIVE = "active"
    MOVED = "moved"


class Home(NamedTuple):
    """A row of ``gate.home``. ``place`` is what a refusal's DETAIL says."""

    state: State
    epoch: int
    place: Route
    capture: bool = False


class Database(NamedTuple):
    """What is committed in one database that holds tenants, and who holds its locks.

    ``rows`` and ``log`` are the writes that stand in the tenant's rows and in its key log.
    ``token`` and the rest are the row of ``gate.move``: ``copied`` the rows whose chunks have
    arrived, ``since`` the snapshot up to which changes were applied (what of the source's log was
    visible in it, None before the first round), ``is_turned_back`` that the move was given up.
    ``held_by`` is the mover whose open transaction locked that row; ``fenced_by`` the one that
    holds the tenant's advisory lock exclusively. Its shared holders are the routers that are in.
    """

    home: Home | None
    rows: int = 0
    log: int = 0
    token: int = 1
    copied: int = 0
    since: int | None = None
    is_turned_back: bool = False
    held_by: int | None = None
    fenced_by: int | None = None


class Stage(StrEnum):
    """How far a router's transaction is. ``WAITING`` has a snapshot or an answer, and no lock."""

    IDLE = "idle"
    WAITING = "waiting"
    INSIDE = "inside"


class Router(NamedTuple):
    """A router with its route, which may be as old as can be, and its one open transaction."""

    route: Route
    stage: Stage = Stage.IDLE
    seen: Home | None = None
    is_logged: bool = False
    acknowledged: int = 0


class Step(StrEnum):
    """What a mover does next."""

    LOOK = "look how far the move is"
    TAKE_SOURCE = "take over the source"
    TAKE_TARGET = "take over the target"
    WAKE = "wake capture"
    COPY = "copy"
    COPYING = "commit a chunk"
    FOLLOW = "follow"
    APPLYING = "commit a round"
    PRUNE = "prune the log"
    FENCED = "commit the final round"
    CHECK = "check the token"
    DECIDE = "decide"
    SHUT = "shut the target again"
    FLIP = "flip"
    REVERSE = "capture the reverse direction"
    SLEEP = "put capture to sleep"
    DROP = "drop the target"
    ENDED = "ended"


class Mover(NamedTuple):
    """A worker on this move; the second one has the higher fencing token.

    ``waits_for`` is the routers whose transactions began before capture was awake. The rest is
    what it read at the source for the transaction at the target that comes next; ``plan`` is the
    step to go on with, for one that looked too early.
    """

    token: int
    step: Step
    waits_for: tuple[bool, bool] = (False, False)
    keys: int = 0
    rows: int = 0
    seen: int | None = None
    plan: Step | None = None


class World(NamedTuple):
    """One state. ``strays`` are the writes that were committed where the tenant didn't live."""

    source: Database
    target: Database
    catalog: Route
    routers: tuple[Router, Router]
    movers: tuple[Mover, Mover]
    strays: int = 0

    def at(self, place: Place) -> Database:
        return self.source if place is Place.SOURCE else self.target

    @property
    def is_decided(self) -> bool:
        home = self.source.home
        return home is not None and home.state is State.MOVED

    @property
    def home(self) -> Place:
        """Where the tenant lives: the decision moves it, and nothing else does."""
        return Place.TARGET if self.is_decided else Place.SOURCE

    @property
    def acknowledged(self) -> int:
        return sum(
            write(number, router.acknowledged) - write(number, 0)
            for number, router in enumerate(self.routers)
        )

    def with_database(self, place: Place, database: Database) -> World:
        if place is Place.SOURCE:
            return self._replace(source=database)
        return self._replace(target=database)

    def with_router(self, number: int, router: Router) -> World:
        one, other = self.routers
        return self._replace(routers=(one, router) if number else (router, other))

    def with_mover(self, number: int, mover: Mover) -> World:
        one, other = self.movers
        return self._replace(movers=(one, mover) if number else (mover, other))


def write(router: int, nth: int) -> int:
    """The bit of a router's nth write. All before it sum up to it, less its first."""
    return 1 << (router * WRITES_EACH + nth)


def rows_of(writes: int) -> int:
    """The rows that these writes were appended to: what a log says of them is no more."""
    return sum(row for row in ROW_OF if row & writes)
