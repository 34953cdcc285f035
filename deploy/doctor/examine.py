"""The examination: every rule over every cluster and database, as the administrator, read-only."""

from __future__ import annotations

import asyncio
import hashlib
import string
import time
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from deploy.doctor.billing_rules import BILLING_GIVEN, BILLING_RULES
from deploy.doctor.canary_rule import CANARY_SEEN
from deploy.doctor.database_rules import (
    DATABASE_GIVEN,
    DATABASE_RULES,
    GATE_KEY_FOREIGN,
    GATE_KEYS,
    GATE_MISSING,
    HAS_GATE,
    OTHER_PLACES,
)
from deploy.doctor.mail_rules import MAIL_GIVEN, MAIL_RULES
from deploy.doctor.rule import Finding, Rule, found
from deploy.doctor.server_rules import (
    CAPACITY,
    CLOCK_SKEW,
    CLUSTER_GIVEN,
    CLUSTER_RULES,
    POOLER_VERSION,
    SERVER_UNSUPPORTED,
    SERVER_VERSION,
    UNREACHABLE,
)
from deploy.doctor.shipped import GateFunction, shipped_gate
from deploy.doctor.table_rules import TABLE_RULES
from deploy.doctor.versions import floor_of, has_fixes, is_supported, pooler_has_fixes
from router.errors import PlatformError
from router.words import ClusterRole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from router.connect import Connection
    from router.fleet import Fleet
    from router.words import Cluster

#: Every rule, in the order of the reference; deploy/canaries.py sees to the last of the databases'.
RULES: tuple[Rule, ...] = (
    UNREACHABLE,
    CAPACITY,
    POOLER_VERSION,
    CLOCK_SKEW,
    SERVER_UNSUPPORTED,
    SERVER_VERSION,
    *CLUSTER_RULES,
    GATE_MISSING,
    *DATABASE_RULES,
    CANARY_SEEN,
    *TABLE_RULES,
    *BILLING_RULES,
    *MAIL_RULES,
)
CLOCK_SKEW_S_MAX = 2.0
#: A cluster that holds more than this part of what it may hold is nearly full.
CAPACITY_PART_MAX = 0.9
_AT_ONCE_MAX = 4
#: Nothing that the doctor does may write, wait long, or be led astray by a search path.
_CAREFUL = (
    "SET default_transaction_read_only = on; SET search_path = pg_catalog;"
    "SET statement_timeout = '30s'; SET lock_timeout = '3s'; SET jit = off"
)
_ONE_RULE = string.Template(
    "SELECT '$name' AS rule, found.object::text, found.detail::text FROM ($statement) AS found"
)
_UNANSWERED = (PlatformError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


class DatabaseName(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One database that holds tenants, or should."""

    cluster: str
    database: str

    def __str__(self) -> str:
        return f"{self.cluster}/{self.database}"


class Patient(msgspec.Struct, frozen=True, kw_only=True):
    """What to examine. Each shared cluster's shared database comes by itself.

    ``tenants`` counts the tenants of a cluster, and ``poolers`` gives a cluster's PgBouncer as
    ``SHOW VERSION`` tells it; what isn't given isn't judged.
    """

    clusters: Sequence[str]
    databases: Sequence[DatabaseName] = ()
    tenants: Mapping[str, int] = msgspec.field(default_factory=dict[str, int])
    poolers: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])


async def examine(
    fleet: Fleet,
    patient: Patient,
    *,
    now_s: Callable[[], float] = time.time,
    at_once_max: int = _AT_ONCE_MAX,
) -> list[Finding]:
    """Run every rule; grave findings come first. A database that doesn't answer is one too."""
    examination = _Examination(fleet, patient, now_s, asyncio.Semaphore(at_once_max))
    return in_order(await examination.run())


async def examine_catalog(connection: Connection) -> list[Finding]:
    """Run the rules of billing and mail, which the catalog alone can answer."""
    billing = await _ask(connection, BILLING_RULES, BILLING_GIVEN, where="catalog")
    mail = await _ask(connection, MAIL_RULES, MAIL_GIVEN, where="catalog")
    return in_order([*billing, *mail])


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Put grave findings first."""
    return sorted(findings, key=lambda each: (not each.grave, each.rule, each.where, each.object))


class _Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What SQL can't know by itself."""

    is_shared: bool = False
    gate: Sequence[GateFunction] = ()


class _Examination:
    def __init__(
        self, fleet: Fleet, patient: Patient, now_s: Callable[[], float], turns: asyncio.Semaphore
    ) -> None:
        self._fleet = fleet
        self._patient = patient
        self._now_s = now_s
        self._turns = turns
        self._gate = shipped_gate()
        self._elsewhere: set[DatabaseName] = set()

    async def run(self) -> list[Finding]:
        findings = [
            each
            for part in await asyncio.gather(*map(self._cluster, self._patient.clusters))
            for each in part
        ]
        closed = {each.where for each in findings if each.rule in _HOPELESS}
        seen: set[DatabaseName] = set()
        # A tenant that left tells where it went: a place that nobody listed is examined as well.
        while todo := (self._listed() | self._elsewhere) - seen:
            seen |= todo
            asking = [self._database(each) for each in sorted(todo) if each.cluster not in closed]
            for part in await asyncio.gather(*asking):
                findings += part
        return findings

    def _listed(self) -> set[DatabaseName]:
        listed = set(self._patient.databases)
        for name in self._patient.clusters:
            cluster = self._known(name)
            if cluster is not None and cluster.role is ClusterRole.SHARED:
                listed.add(DatabaseName(cluster=name, database=cluster.shared_database))
        return listed

    def _known(self, name: str) -> Cluster | None:
        try:
            return self._fleet.cluster(name)
        except PlatformError:
            return None

    async def _cluster(self, name: str) -> list[Finding]:
        """Examine one server, its roles, and what was counted of it."""
        findings = [*self._counted(name)]
        try:
            database = self._fleet.cluster(name).maintenance_database
            async with self._turns, self._fleet.admin(name, database) as asked:
                await asked.execute(_CAREFUL)
                findings += await self._clock(asked, name)
                number = int(await asked.fetchval("SHOW server_version_num"))
                findings += _versions(number, name)
                if is_supported(number):
                    findings += await _ask(asked, CLUSTER_RULES, CLUSTER_GIVEN, where=name)
        except _UNANSWERED as error:
            findings.append(found(UNREACHABLE, thing=name, where=name, detail=str(error)))
        return findings

    def _counted(self, name: str) -> Iterator[Finding]:
        cluster, count = self._known(name), self._patient.tenants.get(name, 0)
        if cluster and count > cluster.capacity * CAPACITY_PART_MAX:
            detail = f"{count} tenants of {cluster.capacity}"
            yield found(CAPACITY, thing=name, where=name, detail=detail)
        told = self._patient.poolers.get(name)
        if told is not None and not pooler_has_fixes(told):
            yield found(POOLER_VERSION, thing="PgBouncer", where=name, detail=told)

    async def _clock(self, asked: Connection, where: str) -> list[Finding]:
        before_s = self._now_s()
        there_s = float(await asked.fetchval("SELECT extract(epoch FROM clock_timestamp())"))
        after_s = self._now_s()
        # The answer was written at some moment between the two: only what is certain is told.
        skew_s = max(before_s - there_s, there_s - after_s)
        detail = f"they differ by {skew_s:.1f} s"
        found_it = found(CLOCK_SKEW, thing="clock", where=where, detail=detail)
        return [found_it] if skew_s > CLOCK_SKEW_S_MAX else []

    async def _database(self, name: DatabaseName) -> list[Finding]:
        try:
            async with self._turns, self._fleet.admin(name.cluster, name.database) as asked:
                await asked.execute(_CAREFUL)
                if not await asked.fetchval(HAS_GATE):
                    return [_of(name, GATE_MISSING, "there is no schema gate with its tables")]
                for place in await asked.fetch(OTHER_PLACES):
                    self._elsewhere.add(
                        DatabaseName(cluster=place["cluster"], database=place["database"])
                    )
                return await self._inside(asked, name)
        except _UNANSWERED as error:
            return [_of(name, UNREACHABLE, str(error))]

    async def _inside(self, asked: Connection, name: DatabaseName) -> list[Finding]:
        cluster = self._fleet.cluster(name.cluster)
        is_shared = cluster.role is ClusterRole.SHARED and name.database == cluster.shared_database
        facts = _Facts(is_shared=is_shared, gate=self._gate)
        rules = (*DATABASE_RULES, *TABLE_RULES)
        findings = await _ask(asked, rules, DATABASE_GIVEN, where=str(name), facts=facts)
        for row in await asked.fetch(GATE_KEYS):
            key = self._fleet.key(name.cluster, name.database, row["id"])
            if hashlib.sha256(b"".join(key.pads)).hexdigest() != row["digest"]:
                thing, detail = f"gate.key {row['id']}", "it isn't derived from our SECRET_KEY"
                findings.append(
                    found(GATE_KEY_FOREIGN, thing=thing, where=str(name), detail=detail)
                )
        return findings


#: After one of these the databases of a cluster can't be asked, or couldn't be judged.
_HOPELESS = frozenset({UNREACHABLE.name, SERVER_UNSUPPORTED.name})


def _of(name: DatabaseName, rule: Rule, detail: str) -> Finding:
    return found(rule, thing=name.database, where=str(name), detail=detail)


def _versions(number: int, where: str) -> Iterator[Finding]:
    told = f"PostgreSQL {number // 10_000}.{number % 10_000}"
    if not is_supported(number):
        yield found(SERVER_UNSUPPORTED, thing="server", where=where, detail=told)
    elif not has_fixes(number):
        detail = f"{told}, and {floor_of(number)} has the fixes"
        yield found(SERVER_VERSION, thing="server", where=where, detail=detail)


async def _ask(
    asked: Connection, rules: Iterable[Rule], given: str, *, where: str, facts: _Facts | None = None
) -> list[Finding]:
    """Ask every rule that is SQL in one statement, so that what is ``given`` is read once."""
    asking = {rule.name: rule for rule in rules if rule.sql is not None}
    parts = [_ONE_RULE.substitute(name=name, statement=rule.sql) for name, rule in asking.items()]
    value = msgspec.json.encode(facts or _Facts()).decode()
    return [
        found(asking[row["rule"]], thing=row["object"], where=where, detail=row["detail"])
        for row in await asked.fetch("\n".join([given, "\nUNION ALL\n".join(parts)]), value)
    ]
