"""Taking an archive: one snapshot of a tenant's rows, while the tenant works, in any tier."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from uuid import UUID

import msgspec

from promotion import homes
from promotion.archive_file import PIECE_BYTES, ArchiveWriter, create, write_ends, writing
from promotion.archive_form import (
    FORMAT,
    SEAL_FILE,
    VERSION,
    ArchivedTenant,
    Head,
    Seal,
    TableSeal,
    heads_of,
    sum_of,
    table_file,
)
from promotion.pace import Pace, at_once
from promotion.reading import read_counters
from promotion.shape import fingerprint, spell_table_lock
from promotion.side import Bounds, Side
from promotion.terms import Terms
from router.alchemy import TENANT_COLUMN
from router.catalog import archives, tenants
from router.catalog.archives import Done, Made
from router.catalog.runner import Postponed
from router.errors import Misconfigured
from router.stored_rows import spell_digest
from router.words import Consistency, Digest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from promotion.shape import Shape, TableShape
    from router.catalog.operations import Operation
    from router.catalog.runner import Progress
    from router.connect import Connection
    from router.words import Tenant

#: A snapshot stays open for as long as it takes: what bounds it is the number of the rows.
SNAPSHOT_BOUNDS = Bounds(statement_ms=0, lock_ms=5_000, idle_ms=300_000)
_NOTE_EVERY_S = 0.5
_MOVED_REST = timedelta(seconds=1)
_FOLDER_MODE = 0o700


class ArchiveTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same for all archives of one process; without a folder none are kept."""

    moving: Terms
    product: str
    folder: Path | None
    keep: timedelta
    bytes_max: int

    def kept_in(self) -> Path:
        """Return the folder of the archives; raises Misconfigured where there is none."""
        if self.folder is None:
            raise Misconfigured(
                "no archives are kept here: set STEPWELL_ARCHIVE_DIR to a folder that gateways "
                "and workers share"
            )
        self.folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        return self.folder


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """An archive that was written, with what it says of itself."""

    head: Head
    seal: Seal
    file_bytes: int
    sha256: str


class HasMoved(Postponed):
    """The tenant lives elsewhere by now: ask the catalog where, and begin again."""


class _Cancelled(Exception):
    """Somebody asked for the export not to be."""


async def take(
    terms: ArchiveTerms,
    tenant: Tenant,
    stream: BinaryIO,
    *,
    of: str,
    after_piece: Callable[[Done], Awaitable[None]],
) -> Taken:
    """Write a tenant's rows to a stream, as they are now; nobody is kept from working.

    ``of`` names the work in pg_stat_activity. ``after_piece`` ends it by raising. Raises HasMoved.
    """
    assert tenant.placement is not None, "a tenant with rows has a place"
    side = Side(fleet=terms.moving.fleet, tenant_id=tenant.id, placement=tenant.placement)
    async with terms.moving.catalog.connection() as catalog:
        owners = await archives.owners_of(catalog, tenant.id)
    async with (
        side.connection(of) as connection,
        Pace([side], terms.moving.limits.pace).watching(of) as pace,
        side.transaction(
            connection, Consistency.REPEATABLE_READ, bounds=SNAPSHOT_BOUNDS, is_read_only=True
        ),
    ):
        head = await _look(terms, connection, side, _told(tenant, owners))
        listener = _Listener(after_piece, pace.rest)
        with writing(stream, head.taken_at) as writer:
            taker = _Taker(connection, side, writer, listener)
            return await taker.run(terms.moving.shape, head)


async def sums(
    connection: Connection,
    side: Side,
    shape: Shape,
    *,
    after_table: Callable[[], Awaitable[None]] = at_once,
) -> tuple[Digest, ...]:
    """Sum up every table of a tenant, in the transaction that is open."""
    found: list[Digest] = []
    for table in shape.tables:
        row = await connection.fetchrow(
            f"SELECT {spell_digest(table.names)} FROM {side.place(table.name)}"  # noqa: S608 - quoted names
            f" WHERE {TENANT_COLUMN} = $1",
            side.tenant_id,
        )
        assert row is not None, "an aggregate always has a row"
        found.append(Digest(table=table.name, rows=row["rows"], digest=row["digest"]))
        await after_table()
    return tuple(found)


class ExportHandler:
    """Does operations of kind ``export``; whoever continues one begins with a new snapshot."""

    def __init__(self, terms: ArchiveTerms) -> None:
        self._terms = terms

    async def __call__(self, operation: Operation, progress: Progress) -> None:
        """Put the archive into the folder under its name, and record that it is whole."""
        folder = self._terms.kept_in()
        part = folder / f"{operation.id}.part-{operation.fencing_token}"
        noting = _Noting(self._terms, operation)
        try:
            with create(part) as stream:
                taken = await self._take(operation, stream, noting)
                await asyncio.to_thread(os.fsync, stream.fileno())
            self._terms.moving.faults.reach("export.written")
            await noting.note(noting.done, at_once=True)
            part.rename(path_of(folder, operation.id, taken.sha256))
            sync_folder(folder)
        except _Cancelled:
            async with self._terms.moving.catalog.transaction() as connection:
                await progress.give_up_in(connection, "somebody took it back")
            return
        finally:
            part.unlink(missing_ok=True)
        self._terms.moving.faults.reach("export.renamed")
        async with self._terms.moving.catalog.transaction() as connection:
            await archives.made_export(connection, progress, made(taken), keep=self._terms.keep)

    async def _take(self, operation: Operation, stream: BinaryIO, noting: _Noting) -> Taken:
        assert operation.tenant_id is not None, "an export is of a tenant"
        async with self._terms.moving.catalog.connection() as connection:
            tenant = await tenants.get_by_id(connection, operation.tenant_id)
        archives.assert_has_rows(tenant)
        of = f"{operation.id} export"
        return await take(self._terms, tenant, stream, of=of, after_piece=noting.note)


class _Noting:
    """Tells the catalog how far it is, not too often, and hears whether it is still wanted."""

    def __init__(self, terms: ArchiveTerms, operation: Operation) -> None:
        self._terms = terms
        self._operation = operation
        self._noted_s = 0.0
        self.done = Done()

    async def note(self, done: Done, *, at_once: bool = False) -> None:
        self._terms.moving.faults.reach("export.piece")
        self.done = done
        if not at_once and time.monotonic() - self._noted_s < _NOTE_EVERY_S:
            return
        self._noted_s = time.monotonic()
        async with self._terms.moving.catalog.connection() as connection:
            if await archives.note_export(connection, self._operation, done):
                raise _Cancelled


class _Listener:
    """Counts what was read, for who waits, and rests for who works in the same tables."""

    def __init__(
        self, after_piece: Callable[[Done], Awaitable[None]], rest: Callable[[], Awaitable[None]]
    ) -> None:
        self._after_piece = after_piece
        self.rest = rest
        self.done = Done()

    async def hear(self, done: Done) -> None:
        self.done = done
        await self._after_piece(done)
        await self.rest()


class _Taker:
    """Writes one archive."""

    def __init__(
        self, connection: Connection, side: Side, writer: ArchiveWriter, listener: _Listener
    ) -> None:
        self._connection = connection
        self._side = side
        self._writer = writer
        self._listener = listener

    async def run(self, shape: Shape, head: Head) -> Taken:
        digests = await sums(self._connection, self._side, shape, after_table=self._listener.rest)
        await self._listener.hear(Done(rows_total=sum(each.rows for each in digests)))
        head_sum = await write_ends(self._writer, head)
        sealed = [
            await self._table(table, digest)
            for table, digest in zip(shape.tables, digests, strict=True)
        ]
        seal = Seal(
            head_sha256=head_sum,
            tables=tuple(sealed),
            counters=await read_counters(self._connection, self._side),
        )
        await self._writer.put(SEAL_FILE, msgspec.json.format(msgspec.json.encode(seal)))
        digest = await self._writer.close()
        return Taken(head=head, seal=seal, file_bytes=self._writer.bytes, sha256=digest)

    async def _table(self, table: TableShape, digest: Digest) -> TableSeal:
        before = self._listener.done
        async with self._writer.file(table_file(table.name)) as file:
            held = bytearray()
            seen = 0

            async def take(data: bytes) -> None:
                nonlocal seen
                held.extend(data)
                if len(held) >= PIECE_BYTES:
                    # Lines are about as many as rows: a value may hold some of its own.
                    seen = min(seen + held.count(b"\n"), digest.rows)
                    await file.write(bytes(held))
                    held.clear()
                    await self._listener.hear(_further(before, seen, file.bytes))

            status = await self._connection.copy_from_query(
                f"SELECT {table.names} FROM {self._side.place(table.name)}"  # noqa: S608 - quoted names and a literal
                f" WHERE {TENANT_COLUMN} = '{self._side.tenant_id}' ORDER BY {table.key_names}",
                output=take,
                format="csv",
                header=True,
            )
            await file.write(bytes(held))
            assert int(status.rpartition(" ")[2]) == digest.rows, "a snapshot stays what it is"
        await self._listener.hear(_further(before, digest.rows, file.bytes))
        return TableSeal(
            table=table.name,
            rows=digest.rows,
            digest=digest.digest,
            bytes=file.bytes,
            sha256=file.sha256,
        )


async def _look(
    terms: ArchiveTerms, connection: Connection, side: Side, tenant: ArchivedTenant
) -> Head:
    """Check, inside of the snapshot, that the tenant lives here and has the product's tables."""
    shape = terms.moving.shape
    # A schema that a settled move leaves can't go while somebody reads it.
    await connection.execute(spell_table_lock(side.schema, shape))
    home = await homes.find(connection, side.tenant_id)
    if home is None or (home.state, home.epoch) != ("active", side.placement.epoch):
        raise HasMoved(f"tenant {tenant.slug} has just moved", after=_MOVED_REST)
    await fingerprint(connection, side.schema, shape)
    return Head(
        format=FORMAT,
        version=VERSION,
        product=terms.product,
        revision=await homes.revision(connection, side) or "",
        shape=sum_of(shape),
        tenant=tenant,
        taken_at=await connection.fetchval("SELECT transaction_timestamp()"),
        tables=heads_of(shape),
    )


def path_of(folder: Path, export_id: UUID, sha256: str) -> Path:
    """Say where an export lies: two runners of one export never write to one name."""
    return folder / f"{export_id}-{sha256[:16]}.zip"


def made(taken: Taken) -> Made:
    """Say what the catalog keeps of an archive."""
    return Made(
        taken_at=taken.head.taken_at,
        rows=taken.seal.rows,
        bytes=taken.seal.bytes,
        file_bytes=taken.file_bytes,
        sha256=taken.sha256,
    )


def sync_folder(folder: Path) -> None:
    """Make a name durable, too."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _told(tenant: Tenant, owners: tuple[str, ...]) -> ArchivedTenant:
    assert tenant.tier is not None, "a tenant with rows has a place"
    return ArchivedTenant(
        id=tenant.id,
        slug=tenant.slug,
        name=tenant.name,
        plan=tenant.plan,
        isolation=tenant.isolation,
        tier=tenant.tier,
        owners=owners,
    )


def _further(before: Done, rows: int, bytes_done: int) -> Done:
    return Done(
        rows=before.rows + rows, bytes=before.bytes + bytes_done, rows_total=before.rows_total
    )
