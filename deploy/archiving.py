"""Archives as operators ask for them: taken, restored as another tenant, rehearsed; and erasure."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from uuid import UUID

import msgspec

from deploy.leaving import check_leaving
from deploy.terms import archive_terms
from promotion.archive_export import HasMoved, Taken, take
from promotion.archive_file import check, create, opened
from promotion.archive_form import assert_fits
from promotion.archive_restore import RestoreData, RestoreHandler
from router.catalog import (
    accounts,
    archives,
    clusters,
    invitations,
    members,
    moves,
    operations,
    plans,
    tenants,
)
from router.catalog.archives import RESTORE, Deletion, Done
from router.catalog.invitations import IssuedInvitation
from router.catalog.move_words import TableProof
from router.catalog.operations import NewOperation, Operation, OperationState
from router.catalog.roles import OWNER
from router.catalog.runner import Runner, RunnerLimits
from router.errors import Conflict, ProvisionFailed, Unprocessable
from router.names import random_name
from router.words import Tenant, Tier

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from deploy.platform import Platform
    from promotion.archive_form import Head
    from router.catalog.moves import By
    from router.connect import Connection

#: How long workers leave a restore to the process that recorded it.
HEAD_START = timedelta(seconds=30)
_TRIES_MAX = 5
_LOOK_S = 0.1
_REHEARSAL = "rehearsal-"


class WantedRestore(msgspec.Struct, frozen=True, kw_only=True):
    """Which archive, and as whom; what isn't given is what the archive says."""

    file: Path
    slug: str | None = None
    plan: str | None = None
    owner: str | None = None
    cluster: str | None = None
    is_rehearsal: bool = False


class Restoring(msgspec.Struct, frozen=True, kw_only=True):
    """A restore as it was recorded; ``invitation`` is for an owner with no proved address."""

    tenant: Tenant
    operation: Operation
    invitation: IssuedInvitation | None


class ArchiveRehearsal(msgspec.Struct, frozen=True, kw_only=True):
    """What a rehearsal has shown: the archive's sums beside those of what was restored from it."""

    tenant: UUID
    tier: Tier
    rows: int
    file_bytes: int
    sha256: str
    proof: tuple[TableProof, ...]
    export_s: float
    restore_s: float


async def nothing(_: Done) -> None:
    """Be told how far it is, and do nothing."""


async def export(
    platform: Platform,
    reference: str,
    file: Path,
    by: By,
    *,
    after_piece: Callable[[Done], Awaitable[None]] = nothing,
) -> Taken:
    """Write a tenant's archive to a file that isn't there yet; it has its name when it is whole."""
    if await asyncio.to_thread(file.exists):
        raise Conflict(f"{file} is there already: choose another name, or take it away first")
    part = file.with_name(f".{file.name}.{random_name('part-')}")
    try:
        with create(part) as stream:
            taken = await _take(platform, reference, stream, after_piece)
            await asyncio.to_thread(os.fsync, stream.fileno())
        async with platform.catalog.transaction() as connection:
            tenant = await tenants.get_by_id(connection, taken.head.tenant.id)
            await archives.note(connection, "tenant.export", tenant, by)
        # A link and not a rename: never over somebody's file.
        os.link(part, file)
    except OSError as error:
        raise Unprocessable(f"{file} can't be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return taken


async def _take(
    platform: Platform,
    reference: str,
    stream: BinaryIO,
    after_piece: Callable[[Done], Awaitable[None]],
) -> Taken:
    terms = archive_terms(platform)
    for _ in range(_TRIES_MAX):
        async with platform.catalog.connection() as connection:
            tenant = (await tenants.get(connection, reference)).tenant
        archives.assert_has_rows(tenant)
        try:
            return await take(terms, tenant, stream, of="export", after_piece=after_piece)
        except HasMoved as moved:
            stream.seek(0)
            stream.truncate()
            await asyncio.sleep(moved.after.total_seconds())
    raise Conflict(f"tenant {reference} moves from place to place: try again later")


async def begin_restore(
    platform: Platform,
    wanted: WantedRestore,
    by: By,
    *,
    after_piece: Callable[[int], None] = lambda _: None,
) -> Restoring:
    """Read the whole archive, and record a new tenant with the operation that fills its place."""
    terms = archive_terms(platform)
    async with opened(wanted.file, bytes_max=terms.bytes_max) as archive:
        assert_fits(
            archive.head,
            product=terms.product,
            revision=platform.blueprint.head,
            shape=terms.moving.shape,
        )
    checked = await check(wanted.file, bytes_max=terms.bytes_max, after_piece=after_piece)
    async with platform.catalog.transaction() as connection:
        return await record_restore(
            platform, connection, wanted, (checked.head, checked.sha256), by
        )


async def record_restore(
    platform: Platform,
    connection: Connection,
    wanted: WantedRestore,
    archive: tuple[Head, str | None],
    by: By,
) -> Restoring:
    """Record a restore; without the sum of a checked file, a worker checks it first."""
    head, sha256 = archive
    owners = _owners(wanted, head)
    slug = wanted.slug or head.tenant.slug
    tenant = await tenants.create(
        connection,
        slug=slug,
        name=head.tenant.name,
        plan=wanted.plan or head.tenant.plan,
        isolation=head.tenant.isolation,
    )
    tier = (await plans.get(connection, tenant.plan)).tier
    chosen = await clusters.choose(connection, moves.role_of(tier), cluster=wanted.cluster)
    placement = platform.stores[tier].draw(chosen, tenant.isolation)
    known = [email for email in owners if await _may_own(connection, head, email)]
    invitation = None
    if owners and not known:
        invitation = await invitations.invite(connection, tenant.id, email=owners[0], role=OWNER)
    operation = await operations.begin(
        connection,
        NewOperation(
            kind=RESTORE,
            tenant_id=tenant.id,
            cluster=chosen.name,
            data=RestoreData(
                file=str(wanted.file.resolve()),
                placement=placement,
                sha256=sha256,
                owners=tuple(known),
                actor=by.actor,
                source_slug=head.tenant.slug,
                is_rehearsal=wanted.is_rehearsal,
            ),
            head_start=HEAD_START if sha256 else timedelta(),
        ),
    )
    detail: dict[str, object] = {"from": head.tenant.slug, "taken_at": head.taken_at.isoformat()}
    await archives.note(connection, "tenant.restore", tenant, by, detail=detail)
    return Restoring(tenant=tenant, operation=operation, invitation=invitation)


async def begin_erasure(
    platform: Platform,
    reference: str,
    confirmed: str,
    by: By,
    *,
    after: timedelta = timedelta(),
) -> Deletion:
    """Record that a tenant is erased, now or later; ``confirmed`` is its slug once more."""
    async with platform.catalog.connection() as connection:
        tenant = (await tenants.get(connection, reference)).tenant
        planned = await archives.find_deletion(connection, tenant.id)
    if confirmed != tenant.slug:
        raise Unprocessable(
            f"the tenant's slug is {tenant.slug!r}, not {confirmed[:40]!r}: nothing was erased"
        )
    if planned is None or planned.closed_at is None:
        await check_leaving(platform.catalog, tenant)
    async with platform.catalog.transaction() as connection:
        return await archives.begin_deletion(connection, tenant, by, after=after)


async def until_ended(runner: Runner, operation_id: UUID) -> Operation:
    """Run an operation here, as often as it takes, unless another process does."""
    while True:
        operation = await runner.run_one(operation_id)
        if operation.state.is_ended:
            return operation
        await asyncio.sleep(_LOOK_S)


async def rehearse(
    platform: Platform, reference: str, by: By, *, cluster: str | None = None
) -> ArchiveRehearsal:
    """Archive a tenant, restore it beside itself, compare, and leave nothing of it.

    On a cluster with room, or on the one that is named.
    """
    runner = _restorer(platform)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stepwell-") as folder:
        file = Path(folder) / "rehearsal.zip"
        taken = await export(platform, reference, file, by)
        exported_s = time.monotonic()
        wanted = WantedRestore(
            file=file,
            slug=_REHEARSAL + random_name("")[:12],
            cluster=cluster,
            is_rehearsal=True,
        )
        restoring = await begin_restore(platform, wanted, by)
        try:
            ended = await until_ended(runner, restoring.operation.id)
        finally:
            await runner.close()
    data = ended.read(RestoreData)
    if ended.state is not OperationState.DONE:
        raise ProvisionFailed(
            f"the archive of {taken.head.tenant.slug} can't be restored: {ended.error}"
        )
    return ArchiveRehearsal(
        tenant=taken.head.tenant.id,
        tier=data.placement.tier,
        rows=taken.seal.rows,
        file_bytes=taken.file_bytes,
        sha256=taken.sha256,
        proof=data.proof,
        export_s=round(exported_s - began_s, 3),
        restore_s=round(time.monotonic() - exported_s, 3),
    )


def _restorer(platform: Platform) -> Runner:
    """Make a runner that restores and does nothing else: it may run inside another operation."""
    return Runner(
        platform.catalog,
        {RESTORE: RestoreHandler(archive_terms(platform))},
        name=f"{socket.gethostname()}:{os.getpid()}:rehearsal",
        limits=RunnerLimits(lease_s=platform.settings.operation_lease_s),
    )


async def _may_own(connection: Connection, head: Head, email: str) -> bool:
    """Whether an address's account is its person's, or owns the rows where they came from."""
    account = await accounts.find_by_email(connection, email)
    if account is None or account.email_verified_at is not None:
        return account is not None
    there = await members.find(connection, head.tenant.id, account.id)
    return there is not None and there.role == OWNER


def _owners(wanted: WantedRestore, head: Head) -> tuple[str, ...]:
    if wanted.is_rehearsal:
        return ()
    owners = (wanted.owner,) if wanted.owner else head.tenant.owners
    if not owners:
        raise Unprocessable("the archive names no owner: name one with --owner EMAIL")
    return tuple(accounts.check_email(email) for email in owners)
