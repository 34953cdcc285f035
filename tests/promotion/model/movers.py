"""What a mover can do next: one committed transaction a move, or one that it opens.

A mover may stop at any point for as long as it likes and go on then, which is to be a zombie. One
that never goes on has crashed, once the server has ended what it had open: to lose the connections
is that, and may also happen to a mover that lives and resumes. What waits for a lock has no move
until the lock is free; to give up waiting changes nothing, so it needs no move either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from tests.promotion.model.designs import Design
from tests.promotion.model.routers import Move
from tests.promotion.model.world import (
    EVERY_ROW,
    NEXT,
    NOW,
    ROW_OF,
    Database,
    Home,
    Mover,
    Place,
    Router,
    Stage,
    State,
    Step,
    World,
    rows_of,
)

_Moves: TypeAlias = Callable[[Design, World, int], Iterator[Move]]


def mover_moves(design: Design, world: World, number: int) -> Iterator[Move]:
    """Each thing that a mover can do now, and what the server may do to it."""
    mover = world.movers[number]
    if mover.step is Step.ENDED:
        return
    yield from _step(design, world, number)
    freed = without_locks(world, number)
    if freed != world:
        home = world.target.home
        is_open = home is not None and home.state is State.ACTIVE and not world.is_decided
        step = Step.SHUT if is_open else _what_is_left(freed)
        yield "loses its connections: what it had open is undone", _next(freed, number, step)


def without_locks(world: World, number: int) -> World:
    """What is left when a mover's open transactions are ended."""
    source, target = world.source, world.target
    if source.fenced_by == number:
        source = source._replace(fenced_by=None)
    if target.held_by == number:
        target = target._replace(held_by=None)
    return world._replace(source=source, target=target)


def _step(design: Design, world: World, number: int) -> Iterator[Move]:
    mover = world.movers[number]
    if mover.step is Step.SHUT and not design.is_token_asked_to_shut:
        yield from _shut(design, world, number)
        return
    if mover.step in _AT_TARGET and _is_target_held(world):
        return
    # A decision that doesn't keep that lock has asked for the token before: Step.CHECK.
    is_asked_here = mover.step in _AT_SOURCE or (mover.step is Step.DECIDE and design.is_token_kept)
    if (mover.step in _AT_TARGET and not _owns_target(design, world, number)) or (
        is_asked_here and not _owns_source(design, world, number)
    ):
        yield _give_way(world, number)
    else:
        yield from _STEPS[mover.step](design, world, number)


# ── Taking over ─────────────────────────────────────────────────────────────────────────────────


def _look(_design: Design, world: World, number: int) -> Iterator[Move]:
    mover = world.movers[number]._replace(step=Step.TAKE_SOURCE, plan=_what_is_left(world))
    yield "looks how far the move is", world.with_mover(number, mover)


def _take_source(_design: Design, world: World, number: int) -> Iterator[Move]:
    mover = world.movers[number]
    taken = world._replace(source=world.source._replace(token=mover.token))
    mover = mover._replace(step=Step.TAKE_TARGET)
    yield "takes over at the source", taken.with_mover(number, mover)


def _take_target(_design: Design, world: World, number: int) -> Iterator[Move]:
    if not _is_target_held(world):
        mover = world.movers[number]
        taken = world._replace(target=world.target._replace(token=mover.token))
        step = mover.plan or _what_is_left(taken)
        yield f"takes over at the target and will {step}", _next(taken, number, step)


def _what_is_left(world: World) -> Step:
    """Find out from what is committed where the move goes on."""
    if world.is_decided:
        return Step.FLIP
    if world.source.is_turned_back:
        return Step.DROP
    if world.target.copied == EVERY_ROW:
        return Step.FOLLOW
    return Step.COPY if world.target.copied else Step.WAKE


# ── Copying and following ───────────────────────────────────────────────────────────────────────


def _wake(design: Design, world: World, number: int) -> Iterator[Move]:
    home = _home(world.source)
    awake = world._replace(source=world.source._replace(home=home._replace(capture=True)))
    # Who comes later finds capture awake, so these are all that must be waited for.
    one, other = (_is_in_source(router) and design.are_holders_awaited for router in world.routers)
    mover = world.movers[number]._replace(step=Step.COPY, waits_for=(one, other))
    yield "wakes capture at the source", awake.with_mover(number, mover)


def _copy(_design: Design, world: World, number: int) -> Iterator[Move]:
    yield _give_up(world, number)
    if any(world.movers[number].waits_for):
        return
    for name, row in zip("AB", ROW_OF, strict=True):
        if not world.target.copied & row:
            read = _reading(world, number, row)._replace(step=Step.COPYING)
            text = f"reads the chunk with router {name}'s row"
            yield text, world.with_mover(number, read)


def _copying(_design: Design, world: World, number: int) -> Iterator[Move]:
    mover = world.movers[number]
    target = _with_rows(world.target, mover)
    target = target._replace(copied=target.copied | mover.keys)
    step = Step.FOLLOW if target.copied == EVERY_ROW else Step.COPY
    yield "commits the chunk at the target", _next(world._replace(target=target), number, step)


def _follow(design: Design, world: World, number: int) -> Iterator[Move]:
    yield _give_up(world, number)
    since = world.target.since
    # A round that would find nothing new is left out: it changes nothing.
    if since is None or world.source.log & ~since:
        read = _reading(world, number, _logged_since(world))._replace(step=Step.APPLYING)
        pruned = world if design.is_pruned_last else _without_log(world, read.seen)
        yield "reads what the log has", pruned.with_mover(number, read)
    if since is not None and not (design.is_fenced and _is_source_busy(world)):
        yield from _fence(design, world, number)


def _applying(_design: Design, world: World, number: int) -> Iterator[Move]:
    mover = world.movers[number]
    target = _with_rows(world.target, mover)._replace(since=mover.seen)
    after = Mover(token=mover.token, step=Step.PRUNE, seen=mover.seen)
    applied = world._replace(target=target).with_mover(number, after)
    yield "commits the round at the target", applied


def _prune(_design: Design, world: World, number: int) -> Iterator[Move]:
    pruned = _without_log(world, world.movers[number].seen)
    yield "prunes the log", _next(pruned, number, Step.FOLLOW)


def _reading(world: World, number: int, keys: int) -> Mover:
    """What a mover has in hand when it has read these rows, and the log, in one snapshot."""
    source = world.source
    return world.movers[number]._replace(keys=keys, rows=source.rows & keys, seen=source.log)


def _with_rows(target: Database, mover: Mover) -> Database:
    return target._replace(rows=target.rows & ~mover.keys | mover.rows, held_by=None)


def _logged_since(world: World) -> int:
    """The rows of the log's keys that the last round's snapshot didn't see."""
    return rows_of(world.source.log & ~(world.target.since or 0))


def _without_log(world: World, seen: int | None) -> World:
    return world._replace(source=world.source._replace(log=world.source.log & ~(seen or 0)))


# ── Fence, decision, flip ───────────────────────────────────────────────────────────────────────


def _fence(design: Design, world: World, number: int) -> Iterator[Move]:
    """Lock ``gate.move`` at the target, then the tenant at the source, then read there."""
    if _is_target_held(world):
        return
    if not _owns_target(design, world, number):
        yield _give_way(world, number)
        return
    source, target, text = world.source, world.target, "reads the last of the log, with no lock"
    if design.is_fenced:
        source = source._replace(fenced_by=number)
        text = "gets the exclusive lock and reads the last of the log"
    if design.is_token_asked_at_target:
        target = target._replace(held_by=number)
    read = _reading(world, number, _logged_since(world))._replace(step=Step.FENCED)
    yield text, world._replace(source=source, target=target).with_mover(number, read)


def _fenced(design: Design, world: World, number: int) -> Iterator[Move]:
    target = _with_rows(world.target, world.movers[number])
    target = target._replace(
        since=world.movers[number].seen,
        home=Home(
            state=State.ACTIVE if design.is_target_open else State.RECEIVING,
            epoch=NEXT.epoch,
            place=NOW if design.is_target_discreet else NEXT,
            capture=design.is_reverse_ready,
        ),
    )
    step = Step.DECIDE if design.is_flip_last else Step.FLIP
    if not design.is_token_kept:
        step = Step.CHECK
    yield (
        "commits the final round at the target",
        _next(world._replace(target=target), number, step),
    )


def _check(_design: Design, world: World, number: int) -> Iterator[Move]:
    yield "finds its token at the source", _next(world, number, Step.DECIDE)


def _decide(design: Design, world: World, number: int) -> Iterator[Move]:
    home = _home(world.source)
    moved = home._replace(state=State.MOVED, epoch=NEXT.epoch, place=NEXT)
    decided = world._replace(source=world.source._replace(home=moved))
    step = Step.FLIP if design.is_flip_last else Step.ENDED
    yield "commits the decision at the source", _next(without_locks(decided, number), number, step)


def _shut(_design: Design, world: World, number: int) -> Iterator[Move]:
    shut = world.target._replace(home=Home(State.RECEIVING, NEXT.epoch, NOW))
    yield "shuts the target again", _next(world._replace(target=shut), number, Step.FOLLOW)


def _flip(design: Design, world: World, number: int) -> Iterator[Move]:
    flipped = world._replace(catalog=NEXT)
    if not design.is_target_open:
        home = _home(world.target)._replace(state=State.ACTIVE)
        opened = world.target._replace(home=home)
        flipped = flipped._replace(target=opened)
    step = Step.ENDED if design.is_reverse_ready else Step.REVERSE
    if not design.is_flip_last and not world.is_decided:
        step = Step.DECIDE
    yield "flips the catalog's route", _next(flipped, number, step)


def _reverse(_design: Design, world: World, number: int) -> Iterator[Move]:
    home = _home(world.target)
    awake = world._replace(target=world.target._replace(home=home._replace(capture=True)))
    yield "wakes capture at the target", _next(awake, number, Step.ENDED)


# ── Turning back ────────────────────────────────────────────────────────────────────────────────


def _give_up(world: World, number: int) -> Move:
    return "gives the move up", _next(world, number, Step.SLEEP)


def _sleep(design: Design, world: World, number: int) -> Iterator[Move]:
    home = _home(world.source)
    asleep = world.source._replace(
        home=home._replace(capture=False), is_turned_back=design.is_turning_marked
    )
    yield "puts capture to sleep", _next(world._replace(source=asleep), number, Step.DROP)


def _drop(_design: Design, world: World, number: int) -> Iterator[Move]:
    dropped = world._replace(target=Database(home=None, token=world.target.token))
    yield "drops the target", _next(dropped, number, Step.ENDED)


# ── What steps share ────────────────────────────────────────────────────────────────────────────


def _owns_source(design: Design, world: World, number: int) -> bool:
    is_ours = world.source.token == world.movers[number].token
    return is_ours or not design.is_token_asked_at_source


def _owns_target(design: Design, world: World, number: int) -> bool:
    is_ours = world.target.token == world.movers[number].token
    return is_ours or not design.is_token_asked_at_target


def _home(database: Database) -> Home:
    assert database.home is not None, "only a target that is given up has no home"
    return database.home


def _is_in_source(router: Router) -> bool:
    return router.stage is Stage.INSIDE and router.route.place is Place.SOURCE


def _is_source_busy(world: World) -> bool:
    """Whether the exclusive lock can't be had."""
    return world.source.fenced_by is not None or any(map(_is_in_source, world.routers))


def _is_target_held(world: World) -> bool:
    """Whether another transaction has locked ``gate.move`` at the target."""
    return world.target.held_by is not None


def _next(world: World, number: int, step: Step) -> World:
    """Go on to a step, with nothing in hand from the last one."""
    return world.with_mover(number, Mover(token=world.movers[number].token, step=step))


def _give_way(world: World, number: int) -> Move:
    ended = _next(without_locks(world, number), number, Step.ENDED)
    return "finds another token and gives way", ended


#: Steps whose transaction locks ``gate.move`` by the token first, there or here.
_AT_TARGET: Final = {Step.COPYING, Step.APPLYING, Step.SHUT, Step.REVERSE, Step.DROP}
_AT_SOURCE: Final = {Step.WAKE, Step.CHECK, Step.SLEEP}
_STEPS: Final[dict[Step, _Moves]] = {
    Step.LOOK: _look,
    Step.TAKE_SOURCE: _take_source,
    Step.TAKE_TARGET: _take_target,
    Step.WAKE: _wake,
    Step.COPY: _copy,
    Step.COPYING: _copying,
    Step.FOLLOW: _follow,
    Step.APPLYING: _applying,
    Step.PRUNE: _prune,
    Step.FENCED: _fenced,
    Step.CHECK: _check,
    Step.DECIDE: _decide,
    Step.SHUT: _shut,
    Step.FLIP: _flip,
    Step.REVERSE: _reverse,
    Step.SLEEP: _sleep,
    Step.DROP: _drop,
}
