"""What a router can do next: a lease, and the gate that it enters by (router/gate/gate.sql).

At READ COMMITTED the gate reads its row after the lock was granted, so a lease is two moves: enter
and commit. At REPEATABLE READ the snapshot comes before the wait for the lock, which is one more.
Lock and row are one move, since a lock hinders nobody more when it is taken no sooner than the
row is read; write and commit are one move, since nobody sees what isn't committed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from tests.promotion.model.designs import Design
from tests.promotion.model.world import (
    Home,
    Route,
    Router,
    Stage,
    State,
    World,
    write,
)

#: What was done, in words, and the world that it leads to.
Move: TypeAlias = tuple[str, World]


def router_moves(design: Design, world: World, number: int) -> Iterator[Move]:
    """Each thing that a router can do now."""
    router = world.routers[number]
    match router.stage:
        case Stage.IDLE:
            if world.catalog.epoch > router.route.epoch:
                learned = Router(route=world.catalog, acknowledged=router.acknowledged)
                yield "hears the catalog's news", world.with_router(number, learned)
            if router.acknowledged < design.writes_each:
                yield from _begin(design, world, number)
        case Stage.WAITING:
            # A fence makes it wait: it has no move until the fence is gone.
            if world.at(router.route.place).fenced_by is None:
                yield _enter_with_old_answer(design, world, number)
        case Stage.INSIDE:
            yield _commit(world, number)


def admits(design: Design, home: Home | None, route: Route) -> bool:
    """Whether ``gate.enter`` lets in who comes by this route."""
    return (
        home is not None
        and home.state is State.ACTIVE
        and (home.epoch == route.epoch or not design.is_epoch_asked)
    )


def follow(route: Route, home: Home | None, catalog: Route) -> Route:
    """Where a refused router goes: to the place in DETAIL if that is newer, else it asks.

    What it knows is never replaced by what is older: router/memory.py.
    """
    if home is not None and home.place.epoch > route.epoch:
        return home.place
    return _newest(route, catalog)


def _newest(one: Route, other: Route) -> Route:
    return max(one, other, key=lambda route: route.epoch)


def _begin(design: Design, world: World, number: int) -> Iterator[Move]:
    router = world.routers[number]
    database = world.at(router.route.place)
    if design.is_lock_first:
        if database.fenced_by is None:
            yield _enter(design, world, number, database.home)
        text = f"begins at {router.route.place}, REPEATABLE READ: its snapshot is taken"
        yield text, _wait(world, number, database.home)
    elif admits(design, database.home, router.route):
        text = f"reads the gate's row at {router.route.place}: welcome"
        yield text, _wait(world, number, database.home)
    else:
        yield _refuse(world, number, database.home)


def _wait(world: World, number: int, seen: Home | None) -> World:
    router = world.routers[number]._replace(stage=Stage.WAITING, seen=seen)
    return world.with_router(number, router)


def _enter_with_old_answer(design: Design, world: World, number: int) -> Move:
    router = world.routers[number]
    is_believed = not (design.is_lock_first and design.is_row_locked)
    if not is_believed and world.at(router.route.place).home != router.seen:
        # FOR SHARE: the row has changed since the snapshot. The router asks the catalog anew.
        asked = Router(route=_newest(router.route, world.catalog), acknowledged=router.acknowledged)
        return "gets the lock and is refused: 40001", world.with_router(number, asked)
    return _enter(design, world, number, router.seen)


def _enter(design: Design, world: World, number: int, home: Home | None) -> Move:
    router = world.routers[number]
    if home is None or not admits(design, home, router.route):
        return _refuse(world, number, home)
    inside = router._replace(stage=Stage.INSIDE, seen=None, is_logged=home.capture)
    awake = "capture is awake" if home.capture else "capture is asleep"
    text = f"gets the shared lock at {router.route.place} and is in; {awake}"
    return text, world.with_router(number, inside)


def _refuse(world: World, number: int, home: Home | None) -> Move:
    router = world.routers[number]
    route = follow(router.route, home, world.catalog)
    text = f"is refused at {router.route.place} and sent to {route.place} at epoch {route.epoch}"
    return text, world.with_router(number, Router(route=route, acknowledged=router.acknowledged))


def _commit(world: World, number: int) -> Move:
    router = world.routers[number]
    place, new = router.route.place, write(number, router.acknowledged)
    database = world.at(place)
    database = database._replace(
        rows=database.rows | new, log=database.log | (new if router.is_logged else 0)
    )
    done = world.with_database(place, database)
    done = done.with_router(
        number, Router(route=router.route, acknowledged=router.acknowledged + 1)
    )
    for mover in (0, 1):
        done = _release(done, mover, number)
    if place is not world.home:
        done = done._replace(strays=done.strays | new)
    text = f"commits write {router.acknowledged + 1} at {place} and acknowledges it"
    return text, done


def _release(world: World, mover: int, number: int) -> World:
    """Nobody waits any more for a transaction that has ended."""
    waits_for = world.movers[mover].waits_for
    if not waits_for[number]:
        return world
    left = (waits_for[0], False) if number else (False, waits_for[1])
    return world.with_mover(mover, world.movers[mover]._replace(waits_for=left))
