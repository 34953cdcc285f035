"""What happens in a place: a revision and the note that it ran, in one transaction.

Many schemas of one database share a transaction where all of a revision's steps can; what fails in
company is done again alone. A place's row in gate.revision is held meanwhile, so that two runners
never work at one place, and its notes are read under that lock, so that none works twice.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import asyncpg
import msgspec

from migrations.product.steps import Alone, Backfill, Transactional
from migrations.waves import online
from migrations.waves.adopting import needs_adopting
from migrations.waves.chain import Note, Seen
from migrations.waves.plan import Entry
from router.alchemy import REFERENCE_SCHEMA
from router.catalog.wave_words import Direction, Place
from router.errors import PlatformError
from router.names import quote
from router.sql import load
from router.stamps import stamp
from router.words import Tier

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from migrations.product.steps import Step
    from migrations.waves.chain import Chain
    from router.connect import Address, Connection

_SQL = load("migrations.waves", "inside.sql")
_OWNER = "stepwell_owner"


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How long statements wait and run.

    ``lock_ms`` is short, as whoever comes later to a table waits behind; building an index alone
    holds up nobody, and so may wait for long transactions.
    """

    lock_ms: int = 100
    statement_ms: int = 600_000
    alone_lock_ms: int = 60_000


class Outdated(Exception):
    """The place isn't as it was seen: somebody else worked there meanwhile."""


class Locked(Exception):
    """Another session builds an index there, perhaps for a runner that died."""


class GateOutdated(PlatformError):
    """The database's gate is of an older version, which doesn't note revisions."""

    code = "gate_outdated"
    title = "The gate is of an older version"


class Interrupted(Exception):
    """Somebody paused the migration in the midst of a long step, which can be gone on with."""


class Filling(msgspec.Struct, frozen=True, kw_only=True):
    """One step that fills rows of one place.

    ``mark`` and ``steps_done`` are what the place notes of the revision meanwhile.
    """

    place: Place
    revision: str
    mark: str
    steps_done: int
    step: Backfill


class Report(Protocol):
    """Is told how far a step is."""

    async def __call__(self, rows: int, /) -> None:
        """Keep how many rows are filled; raises Interrupted where the step should end here."""
        ...

    async def end(self, rows: int) -> None:
        """Keep how many rows there were in all."""
        ...


class Fill(Protocol):
    """Fills a column batch by batch; may be begun again at any time."""

    async def __call__(self, filling: Filling, report: Report) -> None:
        """Return when no row of before is left to be filled."""
        ...


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """What does the steps that aren't plain SQL, and whom it tells.

    ``turn`` is held while a revision's Python runs: Alembic's ``op`` is one for the whole process,
    so that beside another place's, each would work on the connection that came last.
    """

    fill: Fill
    turn: asyncio.Lock
    report: Callable[[Entry], Report]
    reach: Callable[[str], None]


class Inside:
    """Works at places over one administrator's connection."""

    def __init__(
        self,
        connection: Connection,
        chain: Chain,
        bounds: Bounds,
        *,
        means: Means,
        address: Address,
    ) -> None:
        self._connection = connection
        self._chain = chain
        self._bounds = bounds
        self._means = means
        self._address = address

    async def together(self, entries: Sequence[Entry]) -> float:
        """Bring places that lack the same from here to there at once; returns the milliseconds."""
        first = entries[0]
        began = time.perf_counter()
        async with self._connection.transaction():
            await self._hold(entries)
            steps = [step for name in first.to_do for step in self._chain.steps(name)]
            await self._run(entries, [step for step in steps if isinstance(step, Transactional)])
            for name in first.to_do:
                await self._note(entries, name, steps_done=self._chain.count_steps(name))
            self._means.reach("migrate.changed")
        return (time.perf_counter() - began) * 1_000

    async def alone(self, entry: Entry) -> None:
        """Bring one place there step by step, each of them kept before the next begins."""
        done = entry.steps_done
        for name in entry.to_do:
            steps = self._chain.steps(name)
            for number in range(done, self._chain.count_steps(name)):
                here = msgspec.structs.replace(
                    entry, to_do=entry.to_do[entry.to_do.index(name) :], steps_done=number
                )
                await self._step(here, steps[number] if number < len(steps) else None)
                self._means.reach("migrate.step")
            done = 0

    async def _step(self, here: Entry, step: Step | None) -> None:
        """Take the step of the first revision that a place lacks."""
        name = here.to_do[0]
        if self._chain.revision(name).is_online:
            await self._online(here)
            return
        match step:
            case Alone():
                await self._by_itself(here, step)
            case Backfill():
                await self._fill(here, step)
            case Transactional() | None:
                pass
        async with self._connection.transaction():
            await self._hold([here])
            if isinstance(step, Transactional):
                await self._run([here], [step])
            await self._note([here], name, steps_done=here.steps_done + 1)

    async def _fill(self, here: Entry, step: Backfill) -> None:
        """Have rows filled; the place notes that the step has begun, and then how far it is."""
        name, schema = here.to_do[0], here.place.schema
        mark, steps_done = self._chain.mark(name), here.steps_done
        async with self._connection.transaction():
            await self._hold([here])
            await self._connection.execute(_SQL["begin_step"], schema, name, mark, steps_done)
            if here.place.tier is Tier.DATABASE:
                await stamp(self._connection)
        filling = Filling(
            place=here.place, revision=name, mark=mark, steps_done=steps_done, step=step
        )
        await self._means.fill(filling, self._means.report(here))

    async def _hold(self, entries: Sequence[Entry]) -> None:
        """Lock places, and make sure that they lack what they were seen to lack."""
        schemas = [each.place.schema for each in entries]
        await self._connection.execute(
            f"SET LOCAL lock_timeout = {self._bounds.lock_ms};"
            f"SET LOCAL statement_timeout = {self._bounds.statement_ms}"
        )
        held = await self._connection.fetch(_SQL["hold"], schemas)
        if len(held) != len(schemas):
            raise Outdated("a place is gone")
        first = entries[0]
        names = list(first.to_do)
        rows = await self._connection.fetch(_SQL["notes"], schemas, names)
        found = {
            (row["schema_name"], row["revision"]): (row["steps_done"], row["is_whole"])
            for row in rows
            if row["revision"] is not None
        }
        for schema in schemas:
            for number, name in enumerate(names):
                wanted = first.steps_done if number == 0 else 0
                if not self._is_as_seen(found.get((schema, name)), wanted):
                    raise Outdated(f"revision {name} isn't as it was seen in {schema}")
        bare = [row["schema_name"] for row in rows if row["is_bare"]]
        if bare:
            await self._remember(bare, names[0])

    def _is_as_seen(self, found: tuple[int, bool] | None, wanted: int) -> bool:
        if found is None:
            return wanted == 0
        steps_done, is_whole = found
        if is_whole:
            return self._chain.direction is Direction.DOWN and wanted == 0
        return steps_done == wanted

    async def _remember(self, schemas: Sequence[str], name: str) -> None:
        had = self._chain.before(name)
        await self._connection.execute(
            _SQL["remember"], schemas, [each.id for each in had], [each.digest for each in had]
        )

    async def _run(self, entries: Sequence[Entry], steps: Sequence[Transactional]) -> None:
        """Send everything as one message: statements that name no schema, once for each."""
        if not steps:
            return
        text = "\n".join(_ended(step.sql) for step in steps)
        adopts = needs_adopting(text)
        grantees: Mapping[str, str] = await self._grantees(entries) if adopts else {}
        parts = [f"SET LOCAL ROLE {_OWNER};"]
        for each in entries:
            schema = each.place.schema
            parts.append(f"SET LOCAL search_path = {quote(schema)}, {REFERENCE_SCHEMA};\n{text}")
            if adopts:
                parts.append(_adopt(schema, each.place.tier, grantees.get(schema, _OWNER)))
        parts.append("RESET ROLE; RESET search_path")
        await self._connection.execute("\n".join(parts))

    async def _grantees(self, entries: Sequence[Entry]) -> Mapping[str, str]:
        rows = await self._connection.fetch(
            _SQL["grantees"], [each.place.schema for each in entries]
        )
        return {row["schema_name"]: row["grantee"] for row in rows}

    async def _note(self, entries: Sequence[Entry], name: str, *, steps_done: int) -> None:
        schemas = [each.place.schema for each in entries]
        chain, execute = self._chain, self._connection.execute
        if steps_done < chain.count_steps(name):
            await execute(_SQL["note"], schemas, name, chain.mark(name), steps_done)
        elif chain.direction is Direction.UP:
            reached = chain.after(name)
            await execute(_SQL["note_whole"], schemas, name, chain.mark(name), steps_done, reached)
        else:
            await execute(_SQL["unnote"], schemas, name)
            await execute(_SQL["reach"], schemas, chain.after(name))
        if entries[0].place.tier is Tier.DATABASE:
            await stamp(self._connection)

    async def _online(self, here: Entry) -> None:
        """Let a revision's Python work at one place, in the transaction that notes it."""
        name, schema = here.to_do[0], here.place.schema
        async with (
            self._means.turn,
            online.transaction(self._address, schema) as (inside, run),
        ):
            outer, self._connection = self._connection, inside
            try:
                await self._hold([here])
                await inside.execute(
                    f"SET LOCAL ROLE {_OWNER};"
                    f"SET LOCAL search_path = {quote(schema)}, {REFERENCE_SCHEMA}"
                )
                await run(self._chain.revision(name).module, self._chain.direction)
                grantees = await self._grantees([here])
                grantee = grantees.get(schema, _OWNER)
                await inside.execute(_adopt(schema, here.place.tier, grantee) + "RESET ROLE")
                await self._note([here], name, steps_done=1)
            finally:
                self._connection = outer

    async def _by_itself(self, here: Entry, step: Alone) -> None:
        """Run a statement outside of transactions; one of a dead runner's is waited for."""
        schema = here.place.schema
        if not await self._connection.fetchval(_SQL["lock_alone"], schema):
            raise Locked(f"another session works at {schema} alone")
        try:
            async with self._connection.transaction():
                await self._hold([here])
            await self._connection.execute(
                f"SET ROLE {_OWNER}; SET search_path = {quote(schema)}, {REFERENCE_SCHEMA};"
                f"SET lock_timeout = {self._bounds.alone_lock_ms}"
            )
            if step.clear_sql:
                await self._connection.execute(step.clear_sql)
            await self._connection.execute(step.sql)
        finally:
            if not self._connection.is_closed():
                await self._connection.execute("RESET ROLE; RESET search_path; RESET lock_timeout")
                await self._connection.fetchval(_SQL["unlock_alone"], schema)


async def look(connection: Connection, chain: Chain) -> dict[str, Seen]:
    """Read at which revision every schema of a database is: one query."""
    revisions = chain.rendered.revisions
    try:
        rows = await connection.fetch(
            _SQL["look"], [each.id for each in revisions], [each.digest for each in revisions]
        )
    except asyncpg.UndefinedTableError as error:
        raise GateOutdated(
            "its gate is of an older version: run `stepwell gate install` first"
        ) from error
    return {
        row["schema_name"]: Seen(
            schema=row["schema_name"],
            revision=row["revision"],
            notes=None
            if row["notes"] is None
            else msgspec.json.decode(row["notes"], type=tuple[Note, ...]),
        )
        for row in rows
    }


async def holders(connection: Connection, schema: str) -> str:
    """Say who keeps the tables of a schema from being altered; empty when nobody does any more."""
    told = [
        f"{row['application_name'] or row['usename']} (pid {row['pid']}, {row['state']}, for "
        f"{row['held_s']} s, on {row['tables']})"
        for row in await connection.fetch(_SQL["holders"], schema)
    ]
    return ", ".join(told)


def _ended(sql: str) -> str:
    return sql if sql.rstrip().endswith(";") else f"{sql};"


def _adopt(schema: str, tier: Tier, grantee: str) -> str:
    spelled = ", ".join(
        "'" + each.replace("'", "''") + "'" for each in (schema, tier.value, grantee)
    )
    return f"SELECT gate.adopt({spelled});"
