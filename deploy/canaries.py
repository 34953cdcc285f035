"""Canaries: two drawn tenants write a row into each shared table, and try to reach the other's.

The doctor reads what the server says of its policies; the canaries try what they do, as each role,
with an authentic stamp. All of it is one transaction that is rolled back, so that no list, no limit
and no invoice ever counts a canary (decision 18).
"""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import structlog

from deploy.doctor import DatabaseName
from deploy.doctor.canary_rule import CANARY_SEEN
from deploy.doctor.rule import Finding, found
from router.catalog import clusters, looks
from router.catalog.canaries import Canaries, CanarySeen
from router.catalog.looks import LookKind
from router.errors import PlatformError
from router.fleet import APP_LOGIN
from router.sql import load
from router.words import ClusterRole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from deploy.platform import Platform
    from router.connect import Connection
    from router.fleet import Fleet

#: Logins of tenants have the same rights as each other: more of them tell nothing new.
ROLES_MAX = 8
_GATE, _OWNER = "stepwell_gate", "stepwell_owner"
_WHY_LENGTH_MAX = 200
_SQL = load("deploy", "canaries.sql")
_log = structlog.get_logger("stepwell.canaries")


async def release_all(platform: Platform) -> list[Finding]:
    """Release canaries in every database of shared tables, and keep what they saw."""
    async with platform.catalog.connection() as connection:
        records = await clusters.list_all(connection)
    shared = [each.cluster for each in records if each.cluster.role is ClusterRole.SHARED]
    names = [DatabaseName(cluster=each.name, database=each.shared_database) for each in shared]
    findings = [finding for name in names for finding in await _release_one(platform, name)]
    async with platform.catalog.connection() as connection:
        await looks.forget_others(connection, LookKind.CANARIES, [str(name) for name in names])
    return findings


async def _release_one(platform: Platform, name: DatabaseName) -> list[Finding]:
    async with platform.catalog.connection() as connection:
        await looks.begin(connection, LookKind.CANARIES, str(name), every=timedelta())
    try:
        told = await release(platform.fleet, name)
    except (PlatformError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        _log.warning("canaries not released", where=str(name), reason=str(error))
        async with platform.catalog.connection() as connection:
            await looks.fail(connection, LookKind.CANARIES, str(name), error=str(error))
        return []
    async with platform.catalog.connection() as connection:
        await looks.end(connection, LookKind.CANARIES, str(name), told)
    return findings_of(name, told)


def findings_of(name: DatabaseName, told: Canaries) -> list[Finding]:
    """Say what the canaries saw as the doctor does."""
    return [
        found(
            CANARY_SEEN,
            thing=each.relation,
            where=str(name),
            detail=f"a tenant's rows were {each.how} by another one, as {each.role}",
        )
        for each in told.seen
    ]


async def release(fleet: Fleet, name: DatabaseName) -> Canaries:
    """Let two canaries try everything in one database, and leave nothing behind."""
    async with fleet.admin(name.cluster, name.database) as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            await connection.execute(_SQL["careful"])
            return await _Release(connection).run()
        finally:
            await transaction.rollback()


class _Relation(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    is_table: bool
    tells_tenant: bool
    mark: str
    own: str
    foreign_seen: str
    foreign_changed: str
    foreign_forged: str
    count: str


class _Release:
    """One transaction in which two tenants are, one after the other."""

    def __init__(self, connection: Connection) -> None:
        self._asked = connection
        self._first, self._second = uuid.uuid4(), uuid.uuid4()
        self._unmarked: dict[str, str] = {}
        self._untried: list[str] = []
        self._seen: list[CanarySeen] = []

    async def run(self) -> Canaries:
        rows = await self._asked.fetch(_SQL["relations"])
        relations = [msgspec.convert(dict(row), _Relation) for row in rows]
        roles = [row["role"] for row in await self._asked.fetch(_SQL["roles"], ROLES_MAX)]
        tables = [each for each in relations if each.is_table and each.tells_tenant]
        silent = [each for each in relations if not each.tells_tenant]
        await self._mark(tables, self._first)
        before = {role: await self._counts(silent, role) for role in roles}
        await self._mark(tables, self._second)
        await self._enter(self._first)
        for role in roles:
            if await self._take(role):
                await self._try(relations, role)
                after = await self._counts(silent, role)
                self._compare(before[role], after, role)
            else:
                self._untried.append(role)
        return Canaries(
            tables=sum(each.is_table for each in relations),
            views=sum(not each.is_table for each in relations),
            roles=tuple(role for role in roles if role not in self._untried),
            marked=len(tables) - len(self._unmarked),
            unmarked=tuple(f"{name}: {why}" for name, why in self._unmarked.items()),
            untried=tuple(self._untried),
            seen=tuple(self._seen),
        )

    async def _enter(self, tenant_id: uuid.UUID) -> None:
        await self._take(_GATE)
        await self._asked.fetchval(_SQL["stamp"], tenant_id)

    async def _take(self, role: str) -> bool:
        """Become a role, or stay the administrator: False where that isn't allowed."""
        await self._asked.fetchval(_SQL["role"], "none")
        try:
            async with self._asked.transaction():
                await self._asked.fetchval(_SQL["role"], role)
        except asyncpg.InsufficientPrivilegeError:
            return False
        return True

    async def _mark(self, tables: Sequence[_Relation], tenant_id: uuid.UUID) -> None:
        """Write a row of the tenant's into each table, and see that it sees it."""
        await self._enter(tenant_id)
        if not await self._take(APP_LOGIN):
            await self._take(_OWNER)
        for table in tables:
            try:
                async with self._asked.transaction():
                    await self._asked.execute(table.mark)
                    if not await self._asked.fetchval(table.own):
                        self._unmarked.setdefault(table.name, "its own row isn't seen")
            except asyncpg.PostgresError as error:
                self._unmarked.setdefault(table.name, str(error)[:_WHY_LENGTH_MAX])

    async def _try(self, relations: Sequence[_Relation], role: str) -> None:
        for relation in relations:
            if not relation.tells_tenant:
                continue
            if await self._reaches(relation.foreign_seen):
                self._note(relation, role, "seen")
            if relation.is_table and await self._reaches(relation.foreign_changed, self._second):
                self._note(relation, role, "changed")
            if relation.is_table and await self._forges(relation.foreign_forged):
                self._note(relation, role, "forged")

    async def _counts(self, silent: Sequence[_Relation], role: str) -> dict[str, int]:
        """Count the rows of views that don't tell whose they are, as the first canary."""
        counted: dict[str, int] = {}
        await self._take(role)
        for relation in silent:
            try:
                async with self._asked.transaction():
                    counted[relation.name] = int(await self._asked.fetchval(relation.count))
            except asyncpg.InsufficientPrivilegeError:
                continue
        return counted

    def _compare(self, before: dict[str, int], after: dict[str, int], role: str) -> None:
        for name, count in after.items():
            if before.get(name, count) != count:
                self._seen.append(CanarySeen(relation=name, role=role, how="seen"))

    async def _reaches(self, statement: str, *values: object) -> bool:
        """Tell whether a statement finds anything of others; what is forbidden finds nothing."""
        attempt = self._asked.transaction()
        await attempt.start()
        try:
            return bool(await self._asked.fetchval(statement, *values))
        except asyncpg.InsufficientPrivilegeError:
            return False
        finally:
            # What one role could change must still be there for the next one.
            await attempt.rollback()

    async def _forges(self, statement: str) -> bool:
        """Tell whether a row of the other one can be written.

        Row security comes before every constraint: whom one of these stopped had been let in.
        """
        attempt = self._asked.transaction()
        await attempt.start()
        try:
            await self._asked.execute(statement, self._second)
        except asyncpg.IntegrityConstraintViolationError:
            return True
        except asyncpg.PostgresError:
            return False
        finally:
            await attempt.rollback()
        return True

    def _note(self, relation: _Relation, role: str, how: str) -> None:
        self._seen.append(CanarySeen(relation=relation.name, role=role, how=how))
