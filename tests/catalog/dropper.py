"""A process that takes an operation, begins it, says so, and hangs until it is killed."""

from __future__ import annotations

import asyncio
import sys
from uuid import UUID

from router.catalog import Catalog
from router.catalog.operations import Operation
from router.catalog.runner import Progress, Runner, RunnerLimits
from router.connect import parse_dsn


async def hang(operation: Operation, progress: Progress) -> None:
    del operation
    await progress.advance("begun")
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    await asyncio.sleep(3_600)


async def main(dsn: str, kind: str, operation_id: str) -> None:
    catalog = Catalog(parse_dsn(dsn, name="the test"))
    runner = Runner(catalog, {kind: hang}, name="dropper", limits=RunnerLimits(lease_s=1))
    await runner.run_one(UUID(operation_id))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
