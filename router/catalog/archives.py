"""Exports, deletions and certificates: what tenants and operators may ask of them.

Everything here needs a transaction where it changes something. What is in a file, and how rows
come there and back, stands in promotion/archive_*.py.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.catalog import audit, moves, operations, tenants, waves
from router.catalog.catalog import Page
from router.catalog.operations import NewOperation, Operation, OperationState, Superseded
from router.errors import Conflict, NotFound
from router.sql import load
from router.words import Digest, Placement, TenantId, TenantStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    from router.catalog.moves import By
    from router.catalog.runner import Progress
    from router.connect import Connection
    from router.words import Tenant

EXPORT, RESTORE, ERASE = "export", "restore", "erase"
#: Files that one tenant may have lying at once.
EXPORTS_KEPT_MAX = 5
_FORGET_AT_ONCE = 100
_HAS_ROWS = {TenantStatus.ACTIVE, TenantStatus.MAINTENANCE, TenantStatus.SUSPENDED}
_SQL = load("router.catalog", "archives.sql")


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """An archive that somebody asked for. Its file is there between ``made_at`` and its end."""

    id: UUID
    tenant_id: TenantId
    state: OperationState
    requested_by: str
    requested_at: datetime
    rows_total: int | None
    rows_done: int
    bytes_done: int
    taken_at: datetime | None
    made_at: datetime | None
    file_bytes: int | None
    sha256: str | None
    expires_at: datetime | None
    forgotten_at: datetime | None
    error: str | None

    @property
    def has_file(self) -> bool:
        """Whether there is something to download."""
        return self.made_at is not None and self.forgotten_at is None


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """How far an archive is on its way."""

    rows: int = 0
    bytes: int = 0
    rows_total: int = 0


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is whole."""

    taken_at: datetime
    rows: int
    bytes: int
    file_bytes: int
    sha256: str


class Deletion(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's erasure to come, or under way since ``closed_at``."""

    id: UUID
    tenant_id: TenantId
    state: OperationState
    requested_by: str
    requested_at: datetime
    reason: str
    due_at: datetime
    closed_at: datetime | None
    error: str | None


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What was erased, when, on whose word, and where it was looked for afterwards.

    ``tables`` are the sums of the rows before they went; ``exports`` is how many kept files went.
    """

    id: UUID
    tenant: TenantId
    slug: str
    requested_by: str
    reason: str
    requested_at: datetime
    closed_at: datetime
    erased_at: datetime
    tables: tuple[Digest, ...]
    places: tuple[Placement, ...]
    exports: int


class SignedCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate with the sum of the document that it was read from."""

    certificate: Certificate
    document: str
    sha256: str


# Exports ---------------------------------------------------------------------------------------


async def begin_export(connection: Connection, tenant: Tenant, by: By) -> Export:
    """Record an export; the one that is under way already is returned instead of a second one."""
    await moves.hold_tenant(connection, tenant.id)
    assert_has_rows(tenant)
    under_way = await connection.fetchval(_SQL["find_open_export"], tenant.id)
    if under_way is not None:
        return await get_export(connection, under_way)
    if await connection.fetchval(_SQL["count_kept_exports"], tenant.id) >= EXPORTS_KEPT_MAX:
        raise Conflict(
            f"tenant {tenant.slug} has {EXPORTS_KEPT_MAX} archives already: delete one, or wait "
            "until one expires"
        )
    operation = await operations.begin(connection, NewOperation(kind=EXPORT, tenant_id=tenant.id))
    await connection.execute(_SQL["record_export"], operation.id, tenant.id, by.actor)
    await note(connection, "export.request", tenant, by, target=str(operation.id))
    return await get_export(connection, operation.id)


async def get_export(
    connection: Connection, export_id: UUID, *, tenant_id: TenantId | None = None
) -> Export:
    """Return an export, or raise NotFound; of one tenant's only, where that is given."""
    row = await connection.fetchrow(_SQL["find_export"], export_id, tenant_id)
    if row is None:
        raise NotFound(f"there is no export {export_id}")
    return _export(row)


async def list_exports(
    connection: Connection, tenant_id: TenantId, *, before: UUID | None = None, items_max: int = 50
) -> Page[Export]:
    """List a tenant's exports, the newest first; ``before`` is the cursor of the last page."""
    rows = await connection.fetch(_SQL["list_exports"], tenant_id, before, items_max + 1)
    items = tuple(_export(row) for row in rows[:items_max])
    return Page(items=items, next=str(items[-1].id) if len(rows) > items_max else None)


async def note_export(connection: Connection, operation: Operation, done: Done) -> bool:
    """Write down how far it is; returns whether somebody wants it cancelled. Raises Superseded."""
    row = await connection.fetchrow(
        _SQL["note_export"],
        operation.id,
        operation.fencing_token,
        done.rows,
        done.bytes,
        done.rows_total,
    )
    if row is None:
        raise Superseded(f"operation {operation.id} is another runner's by now")
    return row["cancel_requested_at"] is not None


async def made_export(
    connection: Connection, progress: Progress, made: Made, *, keep: timedelta
) -> None:
    """Record that the file is whole, and with that the end of the operation."""
    await connection.execute(
        _SQL["made_export"],
        progress.operation.id,
        made.taken_at,
        made.rows,
        made.bytes,
        made.file_bytes,
        made.sha256,
        keep,
    )
    await progress.finish_in(connection)


async def drop_export(connection: Connection, tenant: Tenant, export_id: UUID, by: By) -> Export:
    """Cancel an export that is under way, or give its file up: the caller deletes that first."""
    found = await get_export(connection, export_id, tenant_id=tenant.id)
    await connection.execute(_SQL["cancel_export"], found.id)
    await connection.execute(_SQL["end_unbegun"], found.id)
    await connection.execute(_SQL["forget_export"], found.id)
    await note(connection, "export.delete", tenant, by, target=str(found.id))
    return await get_export(connection, found.id)


async def forget_export(connection: Connection, export_id: UUID) -> None:
    """Record that the file is gone."""
    await connection.execute(_SQL["forget_export"], export_id)


async def exports_to_forget(connection: Connection) -> list[UUID]:
    """Return the exports whose file has lain long enough, some at a time."""
    rows = await connection.fetch(_SQL["exports_to_forget"], _FORGET_AT_ONCE)
    return [row["id"] for row in rows]


async def exports_with_files(connection: Connection, tenant_id: TenantId) -> list[UUID]:
    """Return the exports of a tenant that have a file."""
    return [row["id"] for row in await connection.fetch(_SQL["exports_of"], tenant_id)]


# Deletions -------------------------------------------------------------------------------------


async def begin_deletion(
    connection: Connection, tenant: Tenant, by: By, *, after: timedelta
) -> Deletion:
    """Record that a tenant is to be erased; asked again, the same one, on the earlier day."""
    await moves.hold_tenant(connection, tenant.id)
    tenant = await tenants.get_by_id(connection, tenant.id)
    planned = await find_deletion(connection, tenant.id)
    if planned is None:
        assert_has_rows(tenant)
        operation = await operations.begin(
            connection, NewOperation(kind=ERASE, tenant_id=tenant.id, head_start=after)
        )
        await connection.execute(
            _SQL["record_deletion"], operation.id, tenant.id, by.actor, by.reason
        )
        detail: dict[str, object] = {"after_s": after.total_seconds()}
        await note(connection, "deletion.request", tenant, by, detail=detail)
        if after:
            due_at = (await get_deletion(connection, tenant)).due_at
            told: dict[str, object] = {"due_at": due_at.isoformat()}
            await moves.put_out(connection, "deletion.planned", tenant.id, told)
    elif after < planned.due_at - await connection.fetchval("SELECT now()"):
        await connection.execute(_SQL["hurry_deletion"], planned.id)
        await connection.execute(_SQL["hurry_operation"], planned.id, after)
        await note(connection, "deletion.hurry", tenant, by)
    elif planned.state is OperationState.FAILED:
        await connection.execute(_SQL["hurry_operation"], planned.id, after)
    return await get_deletion(connection, tenant)


async def find_deletion(connection: Connection, tenant_id: TenantId) -> Deletion | None:
    """Return the erasure that is planned, under way or done."""
    row = await connection.fetchrow(_SQL["find_deletion"], tenant_id)
    return None if row is None else _deletion(row)


async def get_deletion(connection: Connection, tenant: Tenant) -> Deletion:
    """Return a tenant's erasure, or raise NotFound."""
    found = await find_deletion(connection, tenant.id)
    if found is None:
        raise NotFound(f"tenant {tenant.slug} isn't to be erased")
    return found


async def take_back_deletion(connection: Connection, tenant: Tenant, by: By) -> None:
    """Let a tenant live on; raises Conflict once its gates are shut."""
    await moves.hold_tenant(connection, tenant.id)
    planned = await get_deletion(connection, tenant)
    is_waiting = await connection.fetchval(_SQL["end_operation"], planned.id) is not None
    taken = await connection.fetchval(_SQL["take_back_deletion"], planned.id, by.actor)
    if not is_waiting or taken is None:
        raise Conflict(f"tenant {tenant.slug} is being erased: that can't be taken back any more")
    await note(connection, "deletion.take_back", tenant, by)
    told: dict[str, object] = {"due_at": planned.due_at.isoformat()}
    await moves.put_out(connection, "deletion.taken_back", tenant.id, told)


async def close_for_ever(connection: Connection, progress: Progress, deletion: Deletion) -> None:
    """Let nobody in any more: from here on there is no way back. Commits with the step.

    The operation keeps the owners' addresses until they are told that it is done.
    """
    await moves.hold_tenant(connection, deletion.tenant_id)
    closed = await connection.fetchval(_SQL["close_deletion"], deletion.id)
    if closed is None:
        raise Conflict("the erasure was taken back")
    owners = await owners_of(connection, deletion.tenant_id)
    tenant = await tenants.set_status(connection, deletion.tenant_id, TenantStatus.ERASED)
    for name in ("end_sessions", "revoke_keys", "drop_invitations", "drop_memberships"):
        await connection.execute(_SQL[name], tenant.id)
    for name in ("drop_roles", "drop_domains", "drop_claims", "drop_sign_on", "drop_subjects"):
        await connection.execute(_SQL[name], tenant.id)
    deed = audit.Deed(
        actor=deletion.requested_by,
        action="tenant.erase",
        target=tenant.slug,
        tenant_id=tenant.id,
        reason=deletion.reason,
    )
    await audit.write(connection, deed)
    await progress.advance_in(
        connection, "closed", "nobody enters any more", data={"owners": owners}
    )


async def certify(
    connection: Connection,
    progress: Progress,
    certificate: Certificate,
    *,
    owners: Sequence[str] = (),
) -> None:
    """Keep the certificate for ever, and let the placement go; ends the operation.

    Those who were the owners are told, and their addresses aren't kept any longer.
    """
    document = msgspec.json.encode(certificate).decode()
    sha256 = hashlib.sha256(document.encode()).hexdigest()
    await connection.execute(
        _SQL["certify"],
        certificate.id,
        certificate.tenant,
        certificate.erased_at,
        document,
        sha256,
    )
    await connection.execute(_SQL["forget_owners"], certificate.id)
    await connection.execute(_SQL["drop_placement"], certificate.tenant)
    for placement in certificate.places:
        await waves.left(connection, placement)
    # Once more for the directories, which forget where it was.
    await tenants.set_status(connection, certificate.tenant, TenantStatus.ERASED)
    deed = audit.Deed(
        actor=certificate.requested_by,
        action="tenant.erased",
        target=certificate.slug,
        tenant_id=certificate.tenant,
        reason=certificate.reason,
        detail={"rows": sum(each.rows for each in certificate.tables)},
    )
    await audit.write(connection, deed)
    told: dict[str, object] = {
        "readers": list(owners),
        "certificate": str(certificate.id),
        "sha256": sha256,
        "erased_at": certificate.erased_at.isoformat(),
        "rows": sum(each.rows for each in certificate.tables),
        "tables": len(certificate.tables),
        "exports": certificate.exports,
    }
    await moves.put_out(connection, "tenant.erased", certificate.tenant, told)
    await progress.finish_in(connection)


async def get_certificate(connection: Connection, tenant: Tenant) -> SignedCertificate:
    """Return the certificate of an erased tenant, or raise NotFound."""
    row = await connection.fetchrow(_SQL["find_certificate"], tenant.id)
    if row is None:
        raise NotFound(f"tenant {tenant.slug} has no certificate: it isn't erased")
    return SignedCertificate(
        certificate=msgspec.json.decode(row["document"], type=Certificate),
        document=row["document"],
        sha256=row["sha256"],
    )


async def former_places(connection: Connection, tenant_id: TenantId) -> list[Placement]:
    """Return every place that moves ever gave the tenant, or were to give it."""
    rows = await connection.fetch(_SQL["former_places"], tenant_id)
    return [msgspec.json.decode(row["place"], type=Placement) for row in rows]


async def shared_databases(connection: Connection) -> list[tuple[str, str]]:
    """Return the cluster and the name of every database that tenants share."""
    rows = await connection.fetch(_SQL["shared_databases"])
    return [(row["cluster"], row["database"]) for row in rows]


# Restored tenants ------------------------------------------------------------------------------


async def owners_of(connection: Connection, tenant_id: TenantId) -> tuple[str, ...]:
    """Return the addresses of a tenant's owners, the first one first."""
    rows = await connection.fetch(_SQL["owners"], tenant_id)
    return tuple(row["email"] for row in rows)


async def remove_unborn(connection: Connection, operation_id: UUID, tenant_id: TenantId) -> None:
    """Take away a tenant that was never served: its slug is free again."""
    if await connection.fetchval(_SQL["is_unborn"], tenant_id) is None:
        raise Conflict(f"tenant {tenant_id} is served already: it isn't taken away")
    await connection.execute(_SQL["let_go_operation"], operation_id, tenant_id)
    for name in ("drop_invitations", "drop_unborn_slug", "drop_unborn"):
        await connection.execute(_SQL[name], tenant_id)


def assert_has_rows(tenant: Tenant) -> None:
    """Raise Conflict for a tenant that has no rows yet, or none any more."""
    if tenant.status not in _HAS_ROWS or tenant.placement is None:
        raise Conflict(f"tenant {tenant.slug} is {tenant.status.value}: it has no rows to speak of")


async def note(  # noqa: PLR0913 - a line of the audit has as many parts
    connection: Connection,
    action: str,
    tenant: Tenant,
    by: By,
    *,
    target: str | None = None,
    detail: dict[str, object] | None = None,
) -> None:
    """Add to the tenant's audit."""
    deed = audit.Deed(
        actor=by.actor,
        action=action,
        target=target or tenant.slug,
        tenant_id=tenant.id,
        reason=by.reason or None,
        detail=detail or {},
        request_id=by.request_id,
    )
    await audit.write(connection, deed)


def _export(row: asyncpg.Record) -> Export:
    return Export(
        id=row["id"],
        tenant_id=row["tenant_id"],
        state=OperationState(row["state"]),
        requested_by=row["requested_by"],
        requested_at=row["requested_at"],
        rows_total=row["rows_total"],
        rows_done=row["rows_done"],
        bytes_done=row["bytes_done"],
        taken_at=row["taken_at"],
        made_at=row["made_at"],
        file_bytes=row["file_bytes"],
        sha256=row["sha256"],
        expires_at=row["expires_at"],
        forgotten_at=row["forgotten_at"],
        error=row["error"],
    )


def _deletion(row: asyncpg.Record) -> Deletion:
    return Deletion(
        id=row["id"],
        tenant_id=row["tenant_id"],
        state=OperationState(row["state"]),
        requested_by=row["requested_by"],
        requested_at=row["requested_at"],
        reason=row["reason"],
        due_at=row["due_at"],
        closed_at=row["closed_at"],
        error=row["error"],
    )
