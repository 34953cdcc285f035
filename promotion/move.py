"""A move: the steps from one placement to another, and the way back from any of them.

Each step is safe to repeat, is durable in the databases before the catalog hears of it, and is
recorded under the operation's fencing token; so any worker continues what another one dropped.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import asyncpg
import msgspec
import structlog

from promotion import capture, homes, indexes, landing
from promotion.copying import Chunk, copy
from promotion.cutting import Listener, WaitedTooLong, cut, end_transactions, pause_ms, shut_target
from promotion.erasing import DROP_LOCK_MS, patiently
from promotion.following import (
    NotConverging,
    ProofDiffers,
    catch_up,
    delay_writers,
    follow,
    verify,
)
from promotion.leg import BARE_PART, PLACES_PART, Leg, check_revisions, is_left, reaching
from promotion.pace import Pace
from promotion.shape import ShapeDiffers, fingerprint
from promotion.side import Bounds, Mover, Side
from promotion.standing import stand_still
from promotion.steps import Step, lands_first, next_step
from promotion.terms import HolderPolicy
from promotion.turning_back import AlreadyDecided, turn_back
from promotion.wishes import (
    Cancelled,
    Course,
    Held,
    Paused,
    PausedTooLong,
    heed,
    may_cut,
    what_next,
)
from router.alchemy import TENANT_COLUMN
from router.catalog import moves, moving, tenants
from router.catalog.move_words import Receipt, TableProof
from router.catalog.moving import Noted, Reached
from router.catalog.operations import Superseded
from router.catalog.runner import Postponed
from router.database import drop_schema
from router.errors import Conflict, PlatformError, RequestRefused
from router.words import TenantStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from promotion.changes import Brought
    from promotion.landing import Rebuild
    from promotion.leg import Ends
    from promotion.terms import Terms
    from router.catalog.move_words import Move
    from router.catalog.moving import Wishes
    from router.catalog.operations import Operation
    from router.catalog.runner import Progress

_T = TypeVar("_T")
_log = structlog.get_logger(__name__)
_TURN_S = 1.0
#: Between two tries, so that who waited meanwhile isn't held up at once again.
_REST_S = 1.0
_NOTE_EVERY_S = 0.2
_COUNT_BOUNDS = Bounds(statement_ms=120_000)
#: What no repetition makes better, or was waited for long enough: the tenant stays where it is.
_HOPELESS = (
    ProofDiffers,
    ShapeDiffers,
    NotConverging,
    PausedTooLong,
    WaitedTooLong,
    capture.HoldersRemain,
    capture.CaptureMissing,
    RequestRefused,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DiskFullError,
    asyncpg.DataError,
    asyncpg.SyntaxOrAccessError,
)


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the operation remembers for its receipt, as it is known before the decision."""

    proof: tuple[TableProof, ...] = ()
    durations_ms: dict[str, float] = {}
    failure: str | None = None
    #: When the proof was made, by the catalog's clock.
    proved_at: datetime | None = None


class MoveHandler:
    """Does operations of kind ``move``."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms

    async def __call__(self, operation: Operation, progress: Progress) -> None:
        """Move the tenant, or turn back and say why."""
        async with self._terms.catalog.connection() as connection:
            move = await moves.get(connection, operation.id)
        job = Job(self._terms, move, progress)
        self._terms.figures.began()
        try:
            await self._work(operation, job)
        finally:
            self._terms.figures.left()
        if progress.operation.state.is_ended:
            self._terms.figures.ended(progress.operation.state.value)

    async def _work(self, operation: Operation, job: Job) -> None:
        if operation.step == Step.TURNING_BACK:
            await self._turn_back(job, job.failure)
            return
        try:
            await self._begin(job)
            await job.run()
        except (Superseded, Postponed):
            raise
        except Cancelled:
            await self._turn_back(job, None)
        except Paused:
            await self._stand_still(job)
        except Held as held:
            raise Postponed(
                "somebody is to say the word",
                after=self._terms.limits.held_round_after,
                is_well=True,
            ) from held
        except Exception as error:
            is_hopeless = isinstance(error, _HOPELESS)
            if not is_hopeless and operation.attempts < self._terms.limits.attempts_max:
                raise
            await self._turn_back(job, told(error))

    async def _turn_back(self, job: Job, failure: str | None) -> None:
        try:
            with patiently(job.leg.source):
                await job.turn_back(failure)
        except AlreadyDecided:
            await job.run()
            return
        async with self._terms.catalog.transaction() as connection:
            if failure is None:
                await moving.cancelled(connection, job.progress)
            else:
                await moving.failed(connection, job.progress, failure)

    async def _begin(self, job: Job) -> None:
        """Hear what is wanted before anybody is connected to; then wait until it is its turn."""
        wishes = await job.hear()
        if job.progress.operation.step is None and wishes.hurried_at is None:
            await self._await_turn(job.move)

    async def _stand_still(self, job: Job) -> None:
        """Give the operation back, as often as it is taken up; a decision goes on all the same."""
        try:
            is_still_wanted = await job.stand_still()
        except AlreadyDecided:
            await job.run()
            return
        # Who resumes it meanwhile finds it running, and can wake nobody.
        after = self._terms.limits.paused_look_after if is_still_wanted else timedelta()
        raise Postponed("paused", after=after, is_well=True)

    async def _await_turn(self, move: Move) -> None:
        limit = self._terms.limits.at_once_on_a_cluster
        async with self._terms.catalog.connection() as connection:
            for cluster in {move.source.cluster, move.target.cluster}:
                ahead = await moving.open_moves_on(connection, cluster, ahead_of=move.id)
                if ahead >= limit:
                    raise Postponed(
                        f"{ahead} moves go on at cluster {cluster} already",
                        after=timedelta(seconds=_TURN_S),
                    )


class Job:
    """One attempt at one move."""

    def __init__(self, terms: Terms, move: Move, progress: Progress) -> None:
        self._terms = terms
        self.move = move
        self.progress = progress
        self._reach = terms.faults.reach
        self._noted_s = 0.0
        self._rows_copied = move.rows_copied
        self._delay_ms = 0
        self._evidence = progress.operation.read(Evidence)
        self._wishes: Wishes | None = None
        self.leg = self._leg()
        self._pace = Pace([self.leg.source, self.leg.target], terms.limits.pace)

    async def hear(self) -> Wishes:
        """Ask what is wanted; raises Cancelled, Paused or PausedTooLong."""
        await self._note(Noted(), at_once=True)
        return self._heard

    async def stand_still(self) -> bool:
        """Do nothing but tell how much waits, and whether to go on so; raises AlreadyDecided."""
        try:
            waiting = await stand_still(self.leg, check_ours=self._check_ours)
            wishes = await self._tell(Noted(lag_rows=waiting.rows))
            async with self._terms.catalog.connection() as connection:
                await moving.note_log(connection, self.progress.operation, waiting.bytes)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, PlatformError) as error:
            # What can't be looked at now is looked at next time; a pause doesn't fail.
            _log.warning("paused_move_not_seen", move=str(self.move.id), reason=told(error))
            return True
        return what_next(wishes, paused_max=self._terms.limits.pause_max) is Course.STAND_STILL

    async def run(self) -> None:
        """Take every step that is left."""
        if self._reached is None:
            self._reach("prepare.before")
            await self._check_cancel()
            await self._terms.places.make(self.move.tenant_id, self.move.target)
            self._reach("prepare.made")
        async with reaching(self.leg) as ends:
            self._reach("take_over.after")
            while (step := await self._next(ends)) is not None:
                began = time.perf_counter()
                await self._take(step, ends)
                if step is not Step.DECIDED:
                    await self._record(step, (time.perf_counter() - began) * 1_000)

    @property
    def failure(self) -> str | None:
        """Why the move turns back; None when somebody asked for it."""
        return self._evidence.failure

    async def turn_back(self, failure: str | None) -> None:
        """Leave nothing of the move behind; raises AlreadyDecided."""
        self._evidence = msgspec.structs.replace(self._evidence, failure=failure)
        await self.progress.advance(Step.TURNING_BACK, failure or "cancelled", data=self._evidence)
        await turn_back(
            self._terms,
            self.leg,
            landing_schema=landing_schema(self.move),
            check_ours=self._check_ours,
        )

    @property
    def _reached(self) -> Step | None:
        step = self.progress.operation.step
        return None if step is None else Step(step)

    def _leg(self) -> Leg:
        move, fleet = self.move, self._terms.fleet
        source = Side(fleet=fleet, tenant_id=move.tenant_id, placement=move.source)
        target = Side(fleet=fleet, tenant_id=move.tenant_id, placement=move.target)
        into = target
        if lands_first(move.target) and self._reached not in {Step.MERGED, Step.VERIFIED}:
            landed = msgspec.structs.replace(move.target, schema=landing_schema(move))
            into = msgspec.structs.replace(target, placement=landed)
        token = self.progress.operation.fencing_token
        return Leg(
            source=source,
            target=target,
            into=into,
            shape=self._terms.shape,
            mover=Mover(move_id=move.id, token=token),
            captures=True,
        )

    async def _next(self, ends: Ends) -> Step | None:
        is_decided = await is_left(self.leg, ends.source)
        if not is_decided:
            await self._check_cancel()
        return next_step(self._reached, target=self.move.target, is_decided=is_decided)

    async def _take(self, step: Step, ends: Ends) -> None:
        takers: dict[Step, Callable[[Ends], Awaitable[None]]] = {
            Step.PREPARED: self._prepare,
            Step.CAPTURED: self._capture,
            Step.COPIED: self._copy,
            Step.INDEXED: self._index,
            Step.FOLLOWED: self._follow,
            Step.MERGED: self._merge,
            Step.VERIFIED: self._verify,
            Step.DECIDED: self._decide,
        }
        await takers[step](ends)

    async def _prepare(self, ends: Ends) -> None:
        leg = self.leg
        await shut_target(leg, ends)
        await self._announce(ends)
        await capture.check(ends.source, leg.source.schema, leg.shape)
        landed = await self._at_a_good_moment(
            partial(
                landing.land,
                ends.target,
                leg.into,
                leg.shape,
                leg.mover,
                blueprint=self._terms.blueprint,
            )
        )
        if await fingerprint(ends.source, leg.source.schema, leg.shape) != landed.fingerprint:
            raise ShapeDiffers(
                f"the tables of {leg.source.schema} aren't those of a new place: bring the tenant "
                "to the head revision first"
            )
        await check_revisions(leg, ends)
        await self._note(Noted(rows_total=await self._count(ends)), at_once=True)
        self._reach("prepare.after")

    async def _announce(self, ends: Ends) -> None:
        """Say in both databases that the tenant has two places for a while, and a bare one."""
        leg = self.leg
        places = [
            {"schema": side.schema, "login": side.placement.login}
            for side in (leg.source, leg.target)
        ]
        for side, connection in ((leg.source, ends.source), (leg.target, ends.target)):
            async with side.transaction(connection, bounds=_COUNT_BOUNDS):
                await leg.mover.hold(connection)
                await leg.mover.note(connection, PLACES_PART, places)
        await self._note_bare(ends, leg.into.schema)

    async def _note_bare(self, ends: Ends, schema: str | None) -> None:
        async with self.leg.target.transaction(ends.target, bounds=_COUNT_BOUNDS):
            await self.leg.mover.hold(ends.target)
            await self.leg.mover.note(ends.target, BARE_PART, schema)

    async def _capture(self, ends: Ends) -> None:
        self._reach("capture.before")
        limits, tenant_id = self._terms.limits, self.move.tenant_id
        async with self.leg.source.transaction(ends.source, bounds=_COUNT_BOUNDS):
            await self.leg.mover.hold(ends.source)
            # What a transaction left there that outlasted an earlier move.
            await homes.forget_changes(ends.source, tenant_id)
        wake = partial(
            capture.wake,
            ends.source,
            tenant_id,
            wait_s_max=limits.wait_s_max,
            while_waiting=self._look_up,
        )
        try:
            await wake()
        except capture.HoldersRemain as error:
            if limits.holders is not HolderPolicy.END:
                raise
            await end_transactions(ends, error.holders)
            await wake()
        self._reach("capture.after")

    async def _copy(self, ends: Ends) -> None:  # noqa: ARG002 - the copy has connections of its own
        self._reach("copy.before")
        leg = self.leg
        async with self._pace.watching(str(self.move.id)) as pace:

            async def after_piece() -> None:
                await pace.rest()
                await self._look_up()

            async def after_chunk(chunk: Chunk) -> None:
                self._reach("copy.chunk")
                self._rows_copied += chunk.rows
                self._terms.figures.copied(chunk.rows)
                await self._note(Noted(rows_copied=self._rows_copied))

            progress = await copy(
                leg.source,
                leg.into,
                leg.shape,
                leg.mover,
                after_piece=after_piece,
                after_chunk=after_chunk,
            )
        self._rows_copied = sum(each.rows for each in progress.values())
        await self._note(Noted(rows_copied=self._rows_copied), at_once=True)
        self._reach("copy.after")

    async def _index(self, ends: Ends) -> None:
        self._reach("index.before")
        leg, effort = self.leg, self._terms.limits.effort
        async with self._pace.watching(str(self.move.id)) as pace:

            async def after_each(_: Rebuild) -> None:
                await self._note(Noted())
                await pace.rest()

            await indexes.build_primary_keys(
                ends.target, leg.into, leg.mover, effort=effort, after_each=after_each
            )
            self._reach("index.keys")
            # Chunks are of different moments: only now do rows agree with those they refer to.
            await follow(leg, ends, is_bare=True)
            self._reach("index.followed")
            if not leg.lands:
                await indexes.build_rest(
                    ends.target, leg.into, leg.mover, effort=effort, after_each=after_each
                )
                await self._note_bare(ends, None)
        self._reach("index.after")

    async def _follow(self, ends: Ends) -> None:
        self._reach("follow.before")
        await catch_up(
            self.leg,
            ends,
            self._terms.limits,
            after_round=self._after_round,
            is_bare=self.leg.lands,
        )
        self._reach("follow.after")

    async def _merge(self, ends: Ends) -> None:
        self._reach("merge.before")
        await landing.merge(
            ends.target, self.leg.into, self.leg.target, self.leg.shape, self.leg.mover
        )
        self._reach("merge.merged")
        # Once more under the token: dropping asks for none.
        await self._note_bare(ends, self.leg.into.schema)
        await self._at_a_good_moment(
            partial(drop_schema, ends.target, self.leg.into.schema, lock_ms=DROP_LOCK_MS)
        )
        await self._note_bare(ends, None)
        self._reach("merge.after")
        self.leg = msgspec.structs.replace(self.leg, into=self.leg.target)

    async def _verify(self, ends: Ends) -> None:
        self._reach("verify.before")
        await catch_up(self.leg, ends, self._terms.limits, after_round=self._after_round)
        await self._prove(ends)
        self._reach("verify.after")

    async def _prove(self, ends: Ends) -> None:
        async with self._pace.watching(str(self.move.id)) as pace:

            async def after_slice() -> None:
                await pace.rest()
                await self._look_up()

            proof = await verify(self.leg, ends, after_slice=after_slice)
        self._evidence = msgspec.structs.replace(
            self._evidence, proof=proof, proved_at=self._heard.heard_at
        )

    async def _await_word(self, ends: Ends) -> None:
        """Follow for a turn, and raise Held, while somebody is to say the word for the switch.

        Nobody is slowed down for a move that may wait for days; a proof of long ago is made anew.
        """
        limits, proved_at = self._terms.limits, self._evidence.proved_at
        if proved_at is None or self._heard.heard_at - proved_at > limits.proof_age_max:
            await self._prove(ends)
            await self.progress.advance(Step.VERIFIED, "proved anew", data=self._evidence)
        if may_cut(self._heard):
            return
        await delay_writers(self.leg, ends.source, 0)
        for _ in range(limits.rounds_max):
            brought = await follow(self.leg, ends)
            await self._after_round(brought, 0)
            if may_cut(self._heard):
                return
            if brought.keys <= limits.settled_keys:
                break
        raise Held

    async def _decide(self, ends: Ends) -> None:
        leg, limits = self.leg, self._terms.limits
        if not await is_left(leg, ends.source):
            await self._await_word(ends)
            self._reach("fence.before")
            listener = Listener(
                after_round=self._before_attempt,
                reach=self._reach,
                while_waiting=self._look_up,
                is_hurried=lambda: self._pace.is_hurried,
            )
            made = await cut(leg, ends, limits, listener)
            self._terms.figures.decided(made.pause_ms, made.attempts - 1)
        held_ms = await pause_ms(leg, ends)
        self._reach("flip.before")
        async with self._terms.places.recording(self.move.target) as connection:
            await moving.decided(
                connection,
                self.progress,
                Receipt(
                    pause_ms=held_ms,
                    proof=self._evidence.proof,
                    durations_ms=self._evidence.durations_ms,
                ),
                Reached(step=Step.DECIDED, note=f"writers were held for {held_ms:.1f} ms"),
                settle_after=limits.settle_after,
                keep_after=limits.keep_after,
            )
            await homes.own(ends.target, leg.target)
            await self.progress.finish_in(connection)
        self._reach("flip.after")

    async def _record(self, step: Step, took_ms: float) -> None:
        taken = {**self._evidence.durations_ms, step.value: round(took_ms, 1)}
        self._evidence = msgspec.structs.replace(self._evidence, durations_ms=taken)
        await self.progress.advance(step, f"{step} in {took_ms:.0f} ms", data=self._evidence)

    async def _after_round(self, brought: Brought, delay_ms: int) -> None:
        self._reach("follow.round")
        self._terms.figures.lagging(brought.keys)
        await self._note(Noted(lag_rows=brought.keys), at_once=True)
        if delay_ms > self._delay_ms:
            self._delay_ms = delay_ms
            step = self.progress.operation.step
            assert step is not None, "rounds come after the first step"
            await self.progress.advance(
                step, f"the tenant's writers wait {delay_ms} ms each, so that the move catches up"
            )

    async def _before_attempt(self, brought: Brought, delay_ms: int) -> None:
        await self._after_round(brought, delay_ms)
        if not may_cut(self._heard):
            raise Held

    @property
    def _heard(self) -> Wishes:
        assert self._wishes is not None, "a mover asks what is wanted before it does anything"
        return self._wishes

    async def _note(self, noted: Noted, *, at_once: bool = False) -> None:
        """Tell the catalog, not too often, and heed what is wanted of the move by now."""
        if not at_once and time.monotonic() - self._noted_s < _NOTE_EVERY_S:
            return
        self._noted_s = time.monotonic()
        self._wishes = await self._tell(noted)
        self._pace.is_hurried = self._wishes.hurried_at is not None
        heed(self._wishes, paused_max=self._terms.limits.pause_max)

    async def _at_a_good_moment(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Try shortly, and again, what has to wait for a reader: others would wait behind it."""
        ends_s = time.monotonic() + self._terms.limits.wait_s_max
        while True:
            try:
                return await work()
            except asyncpg.LockNotAvailableError:
                if time.monotonic() > ends_s:
                    raise
            await self._look_up()
            await asyncio.sleep(_REST_S)

    async def _look_up(self) -> None:
        """Hear now and then, in the midst of a wait, whether it is still wanted."""
        await self._note(Noted())

    async def _tell(self, noted: Noted) -> Wishes:
        async with self._terms.catalog.connection() as connection:
            return await moving.note_progress(connection, self.progress.operation, noted)

    async def _check_ours(self) -> None:
        await self._tell(Noted())

    async def _check_cancel(self) -> None:
        await self._note(Noted(), at_once=True)
        async with self._terms.catalog.connection() as connection:
            tenant = await tenants.get_by_id(connection, self.move.tenant_id)
        # A suspended one moves on: it is to be where it belongs when it is served again.
        if tenant.status is TenantStatus.ERASED:
            raise Conflict(f"tenant {tenant.slug} was erased meanwhile: nothing of it is moved")

    async def _count(self, ends: Ends) -> int:
        leg = self.leg
        async with leg.source.transaction(ends.source, bounds=_COUNT_BOUNDS, is_read_only=True):
            counts = [
                await ends.source.fetchval(
                    f"SELECT count(*) FROM {leg.source.place(table.name)}"  # noqa: S608 - quoted names
                    f" WHERE {TENANT_COLUMN} = $1",
                    self.move.tenant_id,
                )
                for table in leg.shape.tables
            ]
        return sum(counts)


def landing_schema(move: Move) -> str:
    """Name the private tables of a move into shared ones."""
    return f"m_{move.id.hex}"


def told(error: BaseException) -> str:
    """Say in one sentence what ended a move."""
    if isinstance(error, PlatformError):
        return error.detail
    return f"{type(error).__name__}: {error}"
