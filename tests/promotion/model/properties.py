"""What must hold in every state that can be reached."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from tests.promotion.model.designs import Design, Property
from tests.promotion.model.movers import without_locks
from tests.promotion.model.routers import admits, follow
from tests.promotion.model.world import Route, Stage, World, rows_of

Holds: TypeAlias = Callable[[Design, World], bool]

#: From the place of long ago to the source to the target; router/dispatch.py bears some more.
_REFUSALS_MAX: Final = 2


def nothing_lost(design: Design, world: World) -> bool:
    """Every acknowledged write is at home, and wherever a reader is let in by any route."""
    acknowledged = world.acknowledged
    if acknowledged & ~world.at(world.home).rows:
        return False
    return all(
        not acknowledged & ~world.at(route.place).rows
        for route in _routes(world)
        if admits(design, world.at(route.place).home, route)
    )


def one_home(_design: Design, world: World) -> bool:
    """Who is past a gate is where the tenant lives: so no two places have somebody inside."""
    return all(
        router.route.place is world.home for router in world.routers if router.stage is Stage.INSIDE
    )


def no_strays(_design: Design, world: World) -> bool:
    """No write was ever committed where the tenant didn't live."""
    return not world.strays


def served(design: Design, world: World) -> bool:
    """If every mover died now, a router with any route would be let in after a refusal or two."""
    alone = without_locks(without_locks(world, 0), 1)
    return all(_is_let_in(design, alone, route) for route in _routes(alone))


def undo(_design: Design, world: World) -> bool:
    """After the decision, the log of the target has a key for each row that the source lacks."""
    differ = world.source.rows ^ world.target.rows
    return not world.is_decided or not differ & ~rows_of(world.target.log)


PROPERTIES: Final[Mapping[Property, Holds]] = {
    Property.NOTHING_LOST: nothing_lost,
    Property.ONE_HOME: one_home,
    Property.NO_STRAYS: no_strays,
    Property.SERVED: served,
    Property.UNDO: undo,
}


def _routes(world: World) -> set[Route]:
    return {world.catalog, *(router.route for router in world.routers)}


def _is_let_in(design: Design, world: World, route: Route) -> bool:
    for _ in range(_REFUSALS_MAX + 1):
        database = world.at(route.place)
        if database.fenced_by is not None:
            return False
        if admits(design, database.home, route):
            return True
        route = follow(route, database.home, world.catalog)
    return False
