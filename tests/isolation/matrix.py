"""The attempts, sent by one tenant at another, and the verdict over each answer."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

import asyncpg
import msgspec
from sqlalchemy import ARRAY, CursorResult, Executable, Uuid, all_, bindparam, func, select
from sqlalchemy.exc import DBAPIError

from router.alchemy import TENANT_COLUMN
from router.statement import Statement
from router.words import Mode
from tests.isolation.rows import Held, Key, fill
from tests.isolation.statements import Shape, Verb, scorched_earth, shapes_on

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from router.lease import Lease
    from router.product.stored_form import StoredForm
    from router.words import Digest
    from tests.worlds import World

#: How a statement may be refused: by policy or grant, as there is no such table in sight, by a
#: rule that the attacker's own rows break. Anything else would be an attempt that tried nothing.
_REFUSED = frozenset({"42501", "42P01"})
_OWN_RULE = frozenset({"23503", "23505"})
_WRITES = frozenset({Verb.INSERT, Verb.UPSERT})


class Lane(StrEnum):
    """How a statement reaches the database."""

    PLAIN = "plain"  # the fast lane, tables found by the search path
    QUALIFIED = "qualified"  # the fast lane, tables named with the victim's schema
    SESSION = "session"  # SQLAlchemy's session


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt got: rows, or the state and the rule of an error."""

    sqlstate: str = ""
    rule: str = ""
    rows: tuple[tuple[object, ...], ...] = ()
    said: str = ""

    @property
    def is_refused(self) -> bool:
        return bool(self.sqlstate)

    @property
    def told(self) -> tuple[object, ...]:
        """What an attacker learns from it, but for what it said itself."""
        return (self.sqlstate, self.rule, self.rows)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that must not be; no verb where only the victim's rows tell of it."""

    table: str
    verb: Verb | None
    text: str

    def __str__(self) -> str:
        return f"{self.table}: {self.verb or 'afterwards'} {self.text}"


class Report(msgspec.Struct, kw_only=True):
    """How many attempts there were, and what was found."""

    attempts: int = 0
    tried: set[tuple[str, Verb]] = set()
    findings: list[Finding] = []

    def add(self, other: Report) -> None:
        self.attempts += other.attempts
        self.tried |= other.tried
        self.findings += other.findings


class Duel:
    """One attacker, one victim, one lane."""

    def __init__(self, world: World, attacker: Held, victim: Held, lane: Lane) -> None:
        assert victim.tenant.placement is not None
        self._world = world
        self._attacker = attacker
        self._victim = victim
        self._lane = lane
        self._schema = victim.tenant.placement.schema if lane is Lane.QUALIFIED else None
        self._report = Report()

    async def fight(self, book: Mapping[str, Sequence[Shape]], dice: random.Random) -> Report:
        """Send every attempt on every table, in any order; look at the victim afterwards."""
        before = await digests(self._world, self._victim)
        for shapes in book.values():
            shuffled = dice.sample(shapes, k=len(shapes))
            async with self._world.lease(self._attacker.tenant, Mode.WRITE) as lease:
                for shape in shuffled:
                    await self._try(lease, shape)
        await self._scorch()
        after = await digests(self._world, self._victim)
        for table, digest in before.items():
            if after[table] != digest:
                self._find(table, None, f"{digest} became {after[table]}")
        for table, count in (await strays(self._world, self._victim)).items():
            self._find(table, None, f"{count} rows belong to nobody who lives there")
        return self._report

    async def _scorch(self) -> None:
        """Change and delete all rows in sight and mean it; the attacker gets its own ones back."""
        stored, attacker = self._world.loaded.stored, self._attacker
        elsewhere = _REFUSED if self._lane is Lane.QUALIFIED else frozenset[str]()
        async with self._world.lease(attacker.tenant, Mode.WRITE) as lease:
            for shape in scorched_earth(stored):
                outcome = await self._send(lease, shape, None, is_kept=True)
                self._report.attempts += 1
                if outcome.sqlstate not in {"", *_OWN_RULE, *elsewhere}:
                    self._find(shape.table.name, shape.verb, f"{shape.name}: {outcome}")
        placement = attacker.tenant.placement
        assert placement is not None
        store = self._world.stores[placement.tier]
        async with store.rows(attacker.tenant.id, placement) as rows:
            await rows.delete_all()
        await fill(store, attacker, stored)

    async def _try(self, lease: Lease, shape: Shape) -> None:
        outcomes: dict[Key | None, Outcome] = {}
        table, verb = shape.table.name, shape.verb
        for key in shape.keys:
            outcome = outcomes[key] = await self._send(lease, shape, key)
            self._report.attempts += 1
            self._report.tried.add((table, verb))
            for why in verdict(shape, key, outcome, self._victim):
                told = f"{outcome.told} {outcome.said}"
                self._find(table, verb, f"{shape.name}, {key}: {why}: {told}")
            if self._lane is not Lane.QUALIFIED and not works(shape, key, outcome):
                self._find(table, verb, f"{shape.name} fails on one's own rows: {outcome}")
        if Key.THEIRS in outcomes and outcomes[Key.THEIRS].told != outcomes[Key.NOBODYS].told:
            theirs, nobodys = outcomes[Key.THEIRS].told, outcomes[Key.NOBODYS].told
            why = f"{shape.name}: a row of the victim answers {theirs}, none answers {nobodys}"
            self._find(table, verb, why)

    async def _send(
        self, lease: Lease, shape: Shape, key: Key | None, *, is_kept: bool | None = None
    ) -> Outcome:
        """Run one attempt; keep what it did, unless it may have done it to the attacker's rows."""
        values = shape.values(key, attacker=self._attacker, victim=self._victim)
        await lease.execute("SAVEPOINT attempt")
        try:
            rows = await self._rows(lease, shape, values)
        except (asyncpg.PostgresError, DBAPIError) as error:
            await lease.execute("ROLLBACK TO attempt")
            return refused(error)
        if is_kept is None:
            is_kept = shape.is_aimed or shape.verb in {Verb.SELECT, Verb.COUNT}
        await lease.execute("RELEASE attempt" if is_kept else "ROLLBACK TO attempt")
        return Outcome(rows=rows)

    async def _rows(
        self, lease: Lease, shape: Shape, values: Mapping[str, str | UUID]
    ) -> tuple[tuple[object, ...], ...]:
        if self._lane is Lane.SESSION:
            session = await lease.session()
            assert isinstance(shape.clause, Executable)
            answer = cast("CursorResult[Any]", await session.execute(shape.clause, values))
            return tuple(tuple(row) for row in answer.all()) if answer.returns_rows else ()
        arguments = [values[name] for name in shape.order]
        records = await lease.fetch(shape.spelled(self._schema), *arguments)
        return tuple(tuple(record) for record in records)

    def _find(self, table: str, verb: Verb | None, text: str) -> None:
        who = f"({self._attacker.name} at {self._victim.name}, {self._lane})"
        self._report.findings.append(Finding(table=table, verb=verb, text=f"{text} {who}"))


def works(shape: Shape, key: Key | None, outcome: Outcome) -> bool:
    """An attempt that nothing could come of proves nothing: on one's own rows it must work."""
    if shape.is_aimed or key is not Key.MINE or outcome.sqlstate in _OWN_RULE:
        return True
    return bool(outcome.rows)


def verdict(shape: Shape, key: Key | None, outcome: Outcome, victim: Held) -> list[str]:
    """Say what is wrong with the answer to one attempt."""
    wrong: list[str] = []
    if victim.canary in outcome.said or victim.canary in repr(outcome.rows):
        wrong.append("the victim's canary came out")
    if outcome.is_refused:
        allowed = _REFUSED if shape.is_aimed else _REFUSED | _OWN_RULE
        return wrong if outcome.sqlstate in allowed else [*wrong, "this is no refusal"]
    if any(victim.tenant.id in row for row in outcome.rows):
        wrong.append("a row of the victim came out")
    if shape.is_aimed and shape.verb in _WRITES:
        wrong.append("a row was stored under the victim")
    if shape.is_aimed and _counted(shape, outcome):
        wrong.append("something of the victim was found")
    if shape.verb is Verb.COUNT and key in {Key.MINE, Key.BOTH} and not shape.is_aimed:
        wrong += [] if _counted(shape, outcome) <= 1 else ["more than one's own row was counted"]
    return wrong


def _counted(shape: Shape, outcome: Outcome) -> int:
    if shape.verb is Verb.COUNT and outcome.rows:
        found = outcome.rows[0][-1]
        assert isinstance(found, int)
        return found
    return len(outcome.rows)


def refused(error: Exception) -> Outcome:
    """Take an error apart: all of its text, as a careless product may show it."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, asyncpg.PostgresError):
        cause = getattr(cause, "orig", None) or cause.__cause__
    assert cause is not None, f"{error!r} came from elsewhere"
    parts = [str(cause), *(str(value) for value in cause.as_dict().values())]
    return Outcome(
        sqlstate=cause.sqlstate,
        rule=str(cause.as_dict().get("constraint_name", "")),
        said=" ".join(parts),
    )


async def digests(world: World, held: Held) -> dict[str, Digest]:
    """Sum up a tenant's rows, past every policy."""
    tenant = held.tenant
    assert tenant.placement is not None
    async with world.stores[tenant.placement.tier].rows(tenant.id, tenant.placement) as rows:
        return {digest.table: digest for digest in await rows.digests()}


async def strays(world: World, held: Held) -> dict[str, int]:
    """Count rows in a tenant's place that belong to nobody who lives there."""
    place = held.tenant.placement
    assert place is not None
    found: dict[str, int] = {}
    async with world.admin(place) as connection:
        living = await connection.fetch(
            "SELECT tenant_id FROM gate.home WHERE schema_name = $1", place.schema
        )
        known = [row["tenant_id"] for row in living]
        for table in world.loaded.stored.tables:
            tenant = table.c[TENANT_COLUMN]
            others = tenant != all_(bindparam("known", type_=ARRAY(Uuid())))
            counted = Statement(select(func.count()).select_from(table).where(others))
            count = await connection.fetchval(counted.spelled(place.schema), known)
            if count:
                found[table.name] = count
    return found


def book_of(stored: StoredForm) -> dict[str, list[Shape]]:
    """Make all attempts once: to spell them takes longer than to send them."""
    return {table.name: shapes_on(stored, table) for table in stored.tables}
