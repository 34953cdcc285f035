from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from router.catalog import Catalog, operations, tenants
from router.catalog.operations import (
    Claim,
    NewOperation,
    Operation,
    OperationFilter,
    OperationState,
    Superseded,
)
from router.catalog.runner import Handler, Progress, Runner, RunnerLimits
from router.errors import Conflict, NotFound, Unprocessable
from tests.catalog.worlds import add_tenant

QUICK = RunnerLimits(
    lease_s=0.6, poll_s=0.1, pause_s_min=0.05, attempts_max=3, jobs_max=3, grace_s_max=0.1
)
MINE = Claim(owner="me", lease=timedelta(seconds=0.2))


class Counted(msgspec.Struct, frozen=True):
    count: int = 0


@asynccontextmanager
async def worker(
    catalog: Catalog, handler: Handler, kind: str, *, limits: RunnerLimits = QUICK
) -> AsyncGenerator[Runner]:
    stop = asyncio.Event()
    runner = Runner(catalog, {kind: handler}, name=f"worker {uuid4().hex[:6]}", limits=limits)
    task = asyncio.create_task(runner.run_forever(stop))
    try:
        yield runner
    finally:
        stop.set()
        await task


async def record(
    catalog: Catalog, kind: str, *, key: str | None = None, head_start_s: float = 0
) -> UUID:
    async with catalog.transaction() as connection:
        wanted = NewOperation(
            kind=kind,
            data=Counted(),
            idempotency_key=key,
            head_start=timedelta(seconds=head_start_s),
        )
        return (await operations.begin(connection, wanted)).id


async def read(catalog: Catalog, operation_id: UUID) -> Operation:
    async with catalog.connection() as connection:
        return await operations.get(connection, operation_id)


async def ended(catalog: Catalog, operation_id: UUID, *, limit_s: float = 30) -> Operation:
    async with asyncio.timeout(limit_s):
        while not (found := await read(catalog, operation_id)).state.is_ended:
            await asyncio.sleep(0.02)
    return found


async def notes(catalog: Catalog, operation_id: UUID) -> list[str]:
    async with catalog.connection() as connection:
        return [line.note for line in await operations.read_log(connection, operation_id)]


async def test_a_key_records_one_operation(catalog: Catalog) -> None:
    kind, key = kind_of_its_own(), uuid4().hex
    recorded = await asyncio.gather(*(record(catalog, kind, key=key) for _ in range(10)))
    assert len(set(recorded)) == 1
    with pytest.raises(Conflict, match="recorded another operation"):
        await record(catalog, "other", key=key)


async def test_two_workers_never_run_one_twice(catalog: Catalog) -> None:
    kind, ran = kind_of_its_own(), list[UUID]()

    async def run(operation: Operation, progress: Progress) -> None:
        ran.append(operation.id)
        await progress.advance("half way")

    async with worker(catalog, run, kind), worker(catalog, run, kind), worker(catalog, run, kind):
        recorded = await asyncio.gather(*(record(catalog, kind) for _ in range(40)))
        done = [await ended(catalog, operation_id) for operation_id in recorded]
    assert sorted(ran) == sorted(recorded)
    assert {(one.state, one.attempts, one.lease_owner) for one in done} == {
        (OperationState.DONE, 1, None)
    }
    assert await notes(catalog, recorded[0]) == ["half way", "done"]


async def test_a_caller_runs_its_own_at_once_while_workers_look_on(catalog: Catalog) -> None:
    kind, ran_by = kind_of_its_own(), list[str | None]()

    async def run(operation: Operation, progress: Progress) -> None:
        del progress
        ran_by.append(operation.lease_owner)

    async with worker(catalog, run, kind):
        gateway = Runner(catalog, {kind: run}, name="gateway", limits=QUICK)
        operation_id = await record(catalog, kind, head_start_s=60)
        await asyncio.sleep(0.2)
        assert (await gateway.run_one(operation_id)).state is OperationState.DONE
        assert (await gateway.run_one(operation_id)).state is OperationState.DONE
    assert ran_by == ["gateway"]


async def test_who_comes_second_waits_for_the_first(catalog: Catalog) -> None:
    kind, ran = kind_of_its_own(), 0

    async def run(operation: Operation, progress: Progress) -> None:
        del operation, progress
        nonlocal ran
        ran += 1
        await asyncio.sleep(0.3)

    runners = [Runner(catalog, {kind: run}, name=name, limits=QUICK) for name in "ab"]
    operation_id = await record(catalog, kind)
    done = await asyncio.gather(*(runner.run_one(operation_id) for runner in runners))
    assert [one.state for one in done] == [OperationState.DONE] * 2
    assert ran == 1


async def test_a_runner_that_lost_its_lease_writes_nothing(catalog: Catalog) -> None:
    operation_id = await record(catalog, kind_of_its_own())
    async with catalog.connection() as connection:
        stale = await operations.claim_this(connection, MINE, operation_id)
        assert stale is not None
        assert await operations.claim_this(connection, MINE, operation_id) is None
        await asyncio.sleep(0.3)
        fresh = await operations.claim_this(connection, MINE, operation_id)
        assert fresh is not None
        assert fresh.fencing_token == stale.fencing_token + 1
    made = await add_tenant(catalog, f"f-{uuid4().hex[:12]}")
    with pytest.raises(Superseded):
        await _rename_and_advance(catalog, made.id, stale)
    async with catalog.connection() as connection:
        assert await tenants.get_by_id(connection, made.id) == made
        for write in (
            operations.finish(connection, stale),
            operations.fail(connection, stale, error="late", retry_after=None),
            operations.extend(connection, stale, timedelta(hours=1)),
        ):
            with pytest.raises(Superseded):
                await write
        await operations.release(connection, stale)
        assert (await operations.finish(connection, fresh)).state is OperationState.DONE
    assert await notes(catalog, operation_id) == ["done"]


async def test_work_longer_than_its_lease_keeps_it(catalog: Catalog) -> None:
    kind, ran = kind_of_its_own(), 0

    async def run(operation: Operation, progress: Progress) -> None:
        del operation, progress
        nonlocal ran
        ran += 1
        await asyncio.sleep(1.5)

    async with worker(catalog, run, kind), worker(catalog, run, kind):
        done = await ended(catalog, await record(catalog, kind))
    assert (done.state, ran) == (OperationState.DONE, 1)


async def test_whoever_is_superseded_is_stopped(catalog: Catalog) -> None:
    kind, began, was_stopped = kind_of_its_own(), asyncio.Event(), asyncio.Event()

    async def run(operation: Operation, progress: Progress) -> None:
        del operation, progress
        began.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            was_stopped.set()
            raise

    runner = Runner(catalog, {kind: run}, name="slow", limits=QUICK)
    operation_id = await record(catalog, kind)
    slow = asyncio.create_task(runner.run_one(operation_id))
    await began.wait()
    async with catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.operation SET fencing_token = fencing_token + 1 WHERE id = $1",
            operation_id,
        )
    async with asyncio.timeout(20):
        assert (await slow).state is OperationState.RUNNING
    assert was_stopped.is_set()


async def test_a_failed_attempt_is_made_again_from_its_last_step(catalog: Catalog) -> None:
    kind, seen = kind_of_its_own(), list[tuple[str | None, int]]()

    async def run(operation: Operation, progress: Progress) -> None:
        counted = operation.read(Counted)
        seen.append((operation.step, counted.count))
        if operation.step is None:
            await progress.advance("copied", data=Counted(count=7))
            raise ConnectionError("the network went away")

    async with worker(catalog, run, kind):
        done = await ended(catalog, await record(catalog, kind))
    assert (done.state, done.attempts, done.error) == (OperationState.DONE, 2, None)
    assert seen == [(None, 0), ("copied", 7)]
    assert await notes(catalog, done.id) == [
        "copied",
        "ConnectionError: the network went away",
        "done",
    ]


async def test_what_fails_too_often_is_failed_until_somebody_retries_it(catalog: Catalog) -> None:
    kind, is_mended = kind_of_its_own(), False

    async def run(operation: Operation, progress: Progress) -> None:
        del operation, progress
        if not is_mended:
            raise ValueError("broken\0")

    async with worker(catalog, run, kind):
        failed = await ended(catalog, await record(catalog, kind))
        assert (failed.state, failed.attempts) == (OperationState.FAILED, 3)
        assert failed.error == "ValueError: broken"
        assert failed.finished_at is not None
        is_mended = True
        async with catalog.transaction() as connection:
            await operations.retry(connection, failed.id)
        assert (await ended(catalog, failed.id)).state is OperationState.DONE
    async with catalog.transaction() as connection:
        with pytest.raises(Conflict, match="is done: only a failed one"):
            await operations.retry(connection, failed.id)
        with pytest.raises(NotFound):
            await operations.retry(connection, uuid4())


async def test_what_can_never_work_is_tried_once(catalog: Catalog) -> None:
    kind = kind_of_its_own()

    async def run(operation: Operation, progress: Progress) -> None:
        del operation, progress
        raise Unprocessable("no such tier")

    runner = Runner(catalog, {kind: run}, name="once", limits=QUICK)
    failed = await runner.run_one(await record(catalog, kind))
    assert (failed.state, failed.attempts, failed.error) == (
        OperationState.FAILED,
        1,
        "no such tier",
    )


async def test_an_end_commits_with_what_it_ends(catalog: Catalog) -> None:
    kind = kind_of_its_own()
    made = await add_tenant(catalog, f"e-{uuid4().hex[:12]}")

    async def run(operation: Operation, progress: Progress) -> None:
        del operation
        async with catalog.transaction() as connection:
            await tenants.set_name(connection, made.id, "Ended")
            await progress.finish_in(connection)

    runner = Runner(catalog, {kind: run}, name="ender", limits=QUICK)
    assert (await runner.run_one(await record(catalog, kind))).state is OperationState.DONE
    async with catalog.connection() as connection:
        assert (await tenants.get_by_id(connection, made.id)).name == "Ended"


async def test_a_worker_that_stops_gives_back_what_it_has(catalog: Catalog) -> None:
    kind, began = kind_of_its_own(), asyncio.Event()

    async def run(operation: Operation, progress: Progress) -> None:
        await progress.advance("begun")
        began.set()
        if operation.fencing_token == 1:
            await asyncio.sleep(30)

    async with worker(catalog, run, kind):
        operation_id = await record(catalog, kind)
        await began.wait()
    returned = await read(catalog, operation_id)
    assert (returned.state, returned.step, returned.attempts) == (
        OperationState.WAITING,
        "begun",
        0,
    )
    async with worker(catalog, run, kind):
        assert (await ended(catalog, operation_id)).state is OperationState.DONE


async def test_a_caller_that_gives_up_doesnt_stop_the_work(catalog: Catalog) -> None:
    kind, began, may_end = kind_of_its_own(), asyncio.Event(), asyncio.Event()

    async def run(operation: Operation, progress: Progress) -> None:
        del operation, progress
        began.set()
        await may_end.wait()

    runner = Runner(catalog, {kind: run}, name="gateway", limits=QUICK)
    operation_id = await record(catalog, kind)
    caller = asyncio.create_task(runner.run_one(operation_id))
    await began.wait()
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    may_end.set()
    assert (await ended(catalog, operation_id)).state is OperationState.DONE


async def test_what_a_killed_process_dropped_goes_on_elsewhere(catalog: Catalog) -> None:
    kind = kind_of_its_own()
    operation_id = await record(catalog, kind)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.catalog.dropper",
        catalog.address.dsn(),
        kind,
        str(operation_id),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        assert (await process.stdout.readline()).strip() == b"begun"
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()
    seen: list[str | None] = []

    async def run(operation: Operation, progress: Progress) -> None:
        del progress
        seen.append(operation.step)

    async with worker(catalog, run, kind):
        done = await ended(catalog, operation_id)
    assert (done.state, done.attempts, seen) == (OperationState.DONE, 2, ["begun"])


async def test_what_kills_every_runner_is_failed(catalog: Catalog) -> None:
    kind = kind_of_its_own()
    operation_id = await record(catalog, kind)
    async with catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.operation SET attempts = 3 WHERE id = $1", operation_id
        )

    async def run(operation: Operation, progress: Progress) -> None:
        raise AssertionError(f"never run {operation.id} again, {progress}")

    async with worker(catalog, run, kind):
        failed = await ended(catalog, operation_id)
    assert failed.state is OperationState.FAILED
    assert failed.error is not None
    assert "3 runners took operation" in failed.error


async def test_what_nobody_began_can_be_cancelled(catalog: Catalog) -> None:
    operation_id = await record(catalog, kind_of_its_own())
    async with catalog.transaction() as connection:
        cancelled = await operations.cancel(connection, operation_id)
        assert cancelled.state is OperationState.CANCELLED
        assert await operations.claim_this(connection, MINE, operation_id) is None
        with pytest.raises(Conflict, match="is cancelled and can't be"):
            await operations.cancel(connection, operation_id)


async def test_lists_show_the_newest_first(catalog: Catalog) -> None:
    kind = kind_of_its_own()
    recorded = [await record(catalog, kind) for _ in range(5)]
    seen: list[UUID] = []
    before: UUID | None = None
    async with catalog.connection() as connection:
        while True:
            page = await operations.list_page(
                connection, OperationFilter(kind=kind), before=before, items_max=2
            )
            seen += [one.id for one in page.items]
            if page.next is None:
                break
            before = UUID(page.next)
    assert seen == recorded[::-1]


async def _rename_and_advance(catalog: Catalog, tenant_id: UUID, stale: Operation) -> None:
    async with catalog.transaction() as connection:
        await tenants.set_name(connection, tenant_id, "Written by the dead")
        await operations.advance(connection, stale, step="late")


def kind_of_its_own() -> str:
    return f"kind-{uuid4().hex[:8]}"
