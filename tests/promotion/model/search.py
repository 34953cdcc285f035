"""A breadth-first search: every state there is, or the shortest way to a broken one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

import msgspec

from tests.promotion.model.designs import Design, Property
from tests.promotion.model.movers import mover_moves
from tests.promotion.model.properties import PROPERTIES
from tests.promotion.model.routers import Move, router_moves
from tests.promotion.model.world import (
    LONG_AGO,
    NEXT,
    NOW,
    Database,
    Home,
    Mover,
    Router,
    State,
    Step,
    World,
)

#: A slip that made the states endless should fail, not fill the memory.
_STATES_MAX: Final = 5_000_000


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a search saw: ``stories`` has the shortest way to break each property that breaks."""

    states: int
    moves: int
    said: frozenset[str]
    stories: dict[Property, tuple[str, ...]]


def beginning(design: Design) -> World:
    """The move is prepared, the target receives; router B slept since the tenant lived there."""
    said = NOW if design.is_target_discreet else NEXT
    look = Step.TAKE_SOURCE if design.is_look_last else Step.LOOK
    return World(
        source=Database(home=Home(State.ACTIVE, NOW.epoch, NOW)),
        target=Database(home=Home(State.RECEIVING, NEXT.epoch, said)),
        catalog=NOW,
        routers=(Router(route=NOW), Router(route=LONG_AGO)),
        movers=(Mover(token=1, step=Step.WAKE), Mover(token=2, step=look)),
    )


def moves(design: Design, world: World) -> Iterator[Move]:
    """Whatever can happen next, by whom it may."""
    for number, name in enumerate("AB"):
        for text, after in router_moves(design, world, number):
            yield f"router {name} {text}", after
    for number in (0, 1):
        for text, after in mover_moves(design, world, number):
            yield f"mover {number + 1} {text}", after


def search(design: Design, properties: Collection[Property] = tuple(Property)) -> Found:
    """Look at every state that can be reached, or stop when each of the properties has broken."""
    first = beginning(design)
    came_from: dict[World, World | None] = {first: None}
    whole = {name: PROPERTIES[name] for name in properties}
    stories: dict[Property, tuple[str, ...]] = {}
    said: set[str] = set()
    front, taken = [first], 0
    while front and whole:
        reached: list[World] = []
        for world in front:
            for name in [name for name, holds in whole.items() if not holds(design, world)]:
                stories[name] = _story(design, world, came_from)
                del whole[name]
            for text, after in moves(design, world):
                taken += 1
                said.add(text)
                if after not in came_from:
                    came_from[after] = world
                    reached.append(after)
        assert len(came_from) < _STATES_MAX, "the model has become too large"
        front = reached
    return Found(states=len(came_from), moves=taken, said=frozenset(said), stories=stories)


def _story(design: Design, last: World, came_from: dict[World, World | None]) -> tuple[str, ...]:
    told: list[str] = []
    after, before = last, came_from[last]
    while before is not None:
        told.append(next(text for text, world in moves(design, before) if world == after))
        after, before = before, came_from[before]
    return tuple(reversed(told))
