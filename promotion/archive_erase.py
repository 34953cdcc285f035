"""Erasing a tenant: its gates are shut, its rows summed up and deleted, and looked for everywhere.

What is left is a certificate. Each step is safe to repeat, so any worker ends what another one
began; there is no way back once the gates are shut.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from promotion.archive_export import SNAPSHOT_BOUNDS, sums
from promotion.erasing import database_is_there, erase_place, patiently
from promotion.side import Bounds, Mover, Side
from router.alchemy import TENANT_COLUMN
from router.catalog import archives, moves, moving, tenants
from router.catalog.archives import Certificate, Deletion
from router.catalog.move_words import Stage
from router.catalog.moves import By
from router.catalog.runner import Postponed
from router.database import SHARED_SCHEMA, drop_database, drop_login, shut
from router.errors import Conflict
from router.fleet import APP_LOGIN
from router.sql import load
from router.words import Consistency, Digest, Placement, TenantId, Tier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from promotion.archive_export import ArchiveTerms
    from promotion.terms import Terms
    from router.catalog.operations import Operation
    from router.catalog.runner import Progress
    from router.connect import Connection
    from router.words import Tenant

_SQL = load("promotion", "archive_erase.sql")
_BOUNDS = Bounds(statement_ms=60_000)
#: How often an earlier move is looked at that has to end first.
_MOVE_REST = timedelta(seconds=1)
_NOWHERE = ""


class EraseStep(StrEnum):
    """What is durable."""

    CLOSED = "closed"
    SUMMED = "summed"
    GONE = "gone"


class EraseData(msgspec.Struct, frozen=True, kw_only=True):
    """What the operation remembers: where the rows were, and their sums before they went.

    ``owners`` are the addresses of those who are told when it is done.
    """

    placement: Placement | None = None
    tables: tuple[Digest, ...] = ()
    owners: tuple[str, ...] = ()


class EraseHandler:
    """Does operations of kind ``erase``. ``check_leaving`` raises Conflict for who may not go."""

    def __init__(
        self, terms: ArchiveTerms, check_leaving: Callable[[Tenant], Awaitable[None]]
    ) -> None:
        self._terms = terms
        self._moving = terms.moving
        self._check_leaving = check_leaving

    async def __call__(self, operation: Operation, progress: Progress) -> None:
        """Erase the tenant, and certify it."""
        assert operation.tenant_id is not None, "an erasure is of a tenant"
        async with self._moving.catalog.connection() as connection:
            tenant = await tenants.get_by_id(connection, operation.tenant_id)
            deletion = await archives.get_deletion(connection, tenant)
        reach = self._moving.faults.reach
        reach("erase.before")
        if operation.step is None:
            await self._check_leaving(tenant)
            async with self._moving.catalog.transaction() as connection:
                await archives.close_for_ever(connection, progress, deletion)
            reach("erase.closed")
        if progress.operation.step == EraseStep.CLOSED:
            await self._end_moves(deletion)
            await self._sum_up(progress, tenant.id)
            reach("erase.summed")
        if progress.operation.step == EraseStep.SUMMED:
            await self._erase(progress)
            reach("erase.gone")
            await progress.advance(EraseStep.GONE, "nothing is left at its place")
        await self._certify(progress, tenant.id)

    async def _end_moves(self, deletion: Deletion) -> None:
        """See that the tenant has one place: the kept side of a move is erased by settling it."""
        by = By(actor=deletion.requested_by, reason="the tenant is being erased")
        async with self._moving.catalog.transaction() as connection:
            going = await moves.find_open(connection, deletion.tenant_id)
            if going is None:
                return
            if going.stage is Stage.MOVING and going.cancel_requested_at is None:
                await moves.request_cancel(connection, going.id, by)
            if going.stage is Stage.DECIDED and going.operation.state.is_ended:
                await moves.settle_now(connection, going.id, by)
        raise Postponed(f"the move {going.id} has to end first", after=_MOVE_REST, is_well=True)

    async def _sum_up(self, progress: Progress, tenant_id: TenantId) -> None:
        async with self._moving.catalog.connection() as connection:
            tenant = await tenants.get(connection, str(tenant_id))
        placement = tenant.tenant.placement
        assert placement is not None, "a placement goes with the certificate"
        side = Side(fleet=self._moving.fleet, tenant_id=tenant.tenant.id, placement=placement)
        async with side.connection(f"{progress.operation.id} erase") as connection:
            await shut(connection, side.tenant_id)
            async with side.transaction(
                connection, Consistency.REPEATABLE_READ, bounds=SNAPSHOT_BOUNDS, is_read_only=True
            ):
                found = await sums(connection, side, self._moving.shape)
        owners = progress.operation.read(EraseData).owners
        data = EraseData(placement=placement, tables=found, owners=owners)
        rows = sum(each.rows for each in found)
        await progress.advance(EraseStep.SUMMED, f"{rows} rows are to go", data=data)

    async def _erase(self, progress: Progress) -> None:
        operation = progress.operation
        side = self._side(operation)
        mover = Mover(move_id=operation.id, token=operation.fencing_token)

        async def check_ours() -> None:
            async with self._moving.catalog.connection() as connection:
                await moving.assert_held(connection, progress.operation)

        with patiently(side):
            await take_away(self._moving, side, mover, landing_schema=None, check_ours=check_ours)

    async def _certify(self, progress: Progress, tenant_id: TenantId) -> None:
        operation = progress.operation
        data, side = operation.read(EraseData), self._side(operation)
        async with self._moving.catalog.connection() as connection:
            tenant = (await tenants.get(connection, str(tenant_id))).tenant
            deletion = await archives.get_deletion(connection, tenant)
            places = [side.placement, *await archives.former_places(connection, tenant.id)]
            shared = await archives.shared_databases(connection)
            exports = await archives.exports_with_files(connection, tenant.id)
        looked_at = [
            *{each: None for each in map(_timeless, places) if each.tier is not Tier.ROWS},
            *(_shared_place(cluster, database) for cluster, database in shared),
        ]
        for place in looked_at:
            await assert_gone(self._moving, msgspec.structs.replace(side, placement=place))
        for export_id in exports:
            await self._forget_export(export_id)
        assert deletion.closed_at is not None, "nothing is erased before its gates are shut"
        certificate = Certificate(
            id=operation.id,
            tenant=tenant.id,
            slug=tenant.slug,
            requested_by=deletion.requested_by,
            reason=deletion.reason,
            requested_at=deletion.requested_at,
            closed_at=deletion.closed_at,
            erased_at=datetime.now(UTC),
            tables=data.tables,
            places=tuple(looked_at),
            exports=len(exports),
        )
        self._moving.faults.reach("erase.looked")
        async with self._moving.catalog.transaction() as connection:
            await archives.certify(connection, progress, certificate, owners=data.owners)

    async def _forget_export(self, export_id: UUID) -> None:
        for path in self._terms.kept_in().glob(f"{export_id}-*.zip"):
            path.unlink(missing_ok=True)

    def _side(self, operation: Operation) -> Side:
        placement = operation.read(EraseData).placement
        assert placement is not None, "it was summed up"
        assert operation.tenant_id is not None, "an erasure is of a tenant"
        return Side(fleet=self._moving.fleet, tenant_id=operation.tenant_id, placement=placement)


async def take_away(
    terms: Terms,
    side: Side,
    mover: Mover,
    *,
    landing_schema: str | None,
    check_ours: Callable[[], Awaitable[object]],
) -> None:
    """Erase a tenant's only place, wherever that was broken off; nobody is in it afterwards."""
    place = side.placement
    if place.tier is Tier.DATABASE:
        await check_ours()
        maintenance = terms.fleet.cluster(place.cluster).maintenance_database
        async with terms.fleet.admin(place.cluster, maintenance) as connection:
            # Whoever is still in it goes with it: a mover that was stopped, too.
            await drop_database(connection, place.database)
            await drop_login(connection, place.login)
        terms.faults.reach("settle.dropped")
        return
    async with side.connection(f"{mover.move_id} erase") as connection:
        await check_ours()
        await shut(connection, side.tenant_id)
    nowhere = msgspec.structs.replace(
        place, cluster=_NOWHERE, database=_NOWHERE, schema=_NOWHERE, login=_NOWHERE
    )
    await erase_place(
        terms,
        side,
        mover,
        landing_schema=landing_schema,
        beside=msgspec.structs.replace(side, placement=nowhere),
        check_ours=check_ours,
    )


async def assert_gone(terms: Terms, side: Side) -> None:
    """Look for a tenant at a place; raises Conflict where anything of it is left."""
    if not await database_is_there(terms, side):
        return
    place = side.placement
    if place.tier is Tier.DATABASE:
        raise _still(side, f"database {place.database} of cluster {place.cluster} is there")
    async with side.connection("look") as connection:
        if place.tier is Tier.SCHEMA:
            if await connection.fetchval(_SQL["schema_is_there"], place.schema):
                raise _still(side, f"schema {place.schema} of {place.database} is there")
            return
        traces = await connection.fetch(_SQL["traces"], side.tenant_id)
        tables = [row["name"] for row in traces] + await _tables_with_rows(terms, connection, side)
    if tables:
        raise _still(side, f"{place.database} has something of it in {', '.join(tables)}")


async def _tables_with_rows(terms: Terms, connection: Connection, side: Side) -> list[str]:
    found: list[str] = []
    async with side.transaction(connection, bounds=_BOUNDS, is_read_only=True):
        for table in terms.shape.tables:
            statement = f"SELECT 1 FROM {side.place(table.name)} WHERE {TENANT_COLUMN} = $1 LIMIT 1"  # noqa: S608 - quoted names
            if await connection.fetchval(statement, side.tenant_id):
                found.append(table.name)
    return found


def _still(side: Side, what: str) -> Conflict:
    return Conflict(f"tenant {side.tenant_id} isn't erased: {what}")


def _timeless(place: Placement) -> Placement:
    """A place is the same one at any epoch."""
    return msgspec.structs.replace(place, epoch=1)


def _shared_place(cluster: str, database: str) -> Placement:
    return Placement(
        tier=Tier.ROWS,
        cluster=cluster,
        database=database,
        schema=SHARED_SCHEMA,
        login=APP_LOGIN,
        epoch=1,
    )
