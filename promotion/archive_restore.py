"""Restore: a tenant that never was gets a place, and in it the rows of an archive.

The steps are those of a move whose source is a file: bare tables, the rows, keys and references,
the merge into shared tables, the proof. Nobody is let in before the last one, so whatever goes
wrong, everything that was made is taken away again, the tenant's name with it.
"""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from promotion import homes, indexes, landing
from promotion.archive_erase import take_away
from promotion.archive_export import SNAPSHOT_BOUNDS, sums
from promotion.archive_file import OpenArchive, check, opened
from promotion.archive_form import assert_fits
from promotion.counters import counter_statements
from promotion.erasing import DROP_LOCK_MS, patiently
from promotion.following import ProofDiffers
from promotion.leg import BARE_PART, PLACES_PART
from promotion.move import told
from promotion.proof import compare
from promotion.shape import ShapeDiffers
from promotion.side import Bounds, Mover, Side
from router.catalog import accounts, archives, audit, members, moving, placements, tenants
from router.catalog.move_words import TableProof
from router.catalog.operations import Superseded
from router.catalog.roles import OWNER
from router.catalog.runner import Postponed
from router.database import admit, drop_schema
from router.errors import RequestRefused
from router.words import Consistency, Placement, TenantStatus, Tier

if TYPE_CHECKING:
    from promotion.archive_export import ArchiveTerms
    from promotion.archive_form import TableSeal
    from promotion.landing import Rebuild
    from promotion.shape import TableShape
    from router.catalog.operations import Operation
    from router.catalog.runner import Progress
    from router.connect import Connection
    from router.words import TenantId

#: What gate.move says of the tables whose rows are there.
LOADED_PART = "loaded"
_BOUNDS = Bounds(statement_ms=0)
#: What no repetition makes better.
_HOPELESS = (
    RequestRefused,
    ProofDiffers,
    ShapeDiffers,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.DataError,
    asyncpg.DiskFullError,
    asyncpg.SyntaxOrAccessError,
)
_ATTEMPTS_MAX = 5


class RestoreStep(StrEnum):
    """What is durable; ``taking_away`` is the way back."""

    MADE = "made"
    LOADED = "loaded"
    BUILT = "built"
    VERIFIED = "verified"
    TAKING_AWAY = "taking_away"


class RestoreData(msgspec.Struct, frozen=True, kw_only=True):
    """What the operation remembers. ``sha256`` is that of a file that was checked already.

    A rehearsal takes everything away again once it is proved; ``owners`` have accounts.
    """

    file: str
    placement: Placement
    sha256: str | None = None
    owners: tuple[str, ...] = ()
    actor: str
    source_slug: str = ""
    is_rehearsal: bool = False
    rows: int = 0
    proof: tuple[TableProof, ...] = ()
    failure: str | None = None


class RestoreHandler:
    """Does operations of kind ``restore``."""

    def __init__(self, terms: ArchiveTerms) -> None:
        self._terms = terms

    async def __call__(self, operation: Operation, progress: Progress) -> None:
        """Make the tenant whole and let it in, or leave nothing behind and say why."""
        job = _Job(self._terms, operation, progress)
        if operation.step == RestoreStep.TAKING_AWAY:
            await job.take_away()
            return
        try:
            await job.run()
        except (Superseded, Postponed):
            raise
        except Exception as error:
            if not job.is_hopeless(error) and operation.attempts < _ATTEMPTS_MAX:
                raise
            await job.turn_back(told(error))


class _Job:
    """One attempt at one restore."""

    def __init__(self, terms: ArchiveTerms, operation: Operation, progress: Progress) -> None:
        assert operation.tenant_id is not None, "a restore is of a tenant until it is taken away"
        self.data = operation.read(RestoreData)
        self._terms = terms
        self._moving = terms.moving
        self._reach = terms.moving.faults.reach
        self._progress = progress
        self._mover = Mover(move_id=operation.id, token=operation.fencing_token)
        self._target = Side(
            fleet=terms.moving.fleet,
            tenant_id=operation.tenant_id,
            placement=self.data.placement,
        )
        landed = msgspec.structs.replace(self.data.placement, schema=self._landing_schema)
        self._into = msgspec.structs.replace(self._target, placement=landed)

    async def run(self) -> None:
        """Take every step that is left."""
        path = Path(self.data.file)
        self._reach("restore.before")
        if self._reached is None:
            await self._check(path)
            await self._moving.places.make(self._target.tenant_id, self.data.placement)
            self._reach("restore.made")
            await self._progress.advance(RestoreStep.MADE, "the place is made")
        async with self._target.connection(str(self._mover.move_id)) as connection:
            await self._take_over(connection)
            if self._reached is not RestoreStep.VERIFIED:
                async with opened(path, bytes_max=self._terms.bytes_max) as archive:
                    with patiently(self._target):
                        await self._fill(connection, archive)
            if not self.data.is_rehearsal:
                await self._let_in(connection)
                return
        await self.turn_back(None)

    def is_hopeless(self, error: Exception) -> bool:
        """Whether another attempt could come no further."""
        needs_file = self._reached is not RestoreStep.VERIFIED
        is_lost = needs_file and not Path(self.data.file).is_file()
        return is_lost or isinstance(error, _HOPELESS)

    async def turn_back(self, failure: str | None) -> None:
        """Record that nothing is to be left, and see to that."""
        self.data = msgspec.structs.replace(self.data, failure=failure)
        note = failure or "the rehearsal is over"
        await self._progress.advance(RestoreStep.TAKING_AWAY, note, data=self.data)
        await self.take_away()

    async def take_away(self) -> None:
        """Leave no trace of the tenant; safe to repeat."""
        self._reach("restore.taking_away")
        landing_schema = self._landing_schema if self._lands else None
        with patiently(self._target):
            await take_away(
                self._moving,
                self._target,
                self._mover,
                landing_schema=landing_schema,
                check_ours=self._check_ours,
            )
        self._reach("restore.taken_away")
        async with self._moving.catalog.transaction() as connection:
            await archives.remove_unborn(connection, self._mover.move_id, self._target.tenant_id)
            if self.data.failure is None:
                await self._progress.finish_in(connection)
            else:
                await self._progress.fail_in(connection, self.data.failure)

    @property
    def _reached(self) -> RestoreStep | None:
        step = self._progress.operation.step
        return None if step is None else RestoreStep(step)

    @property
    def _lands(self) -> bool:
        return self.data.placement.tier is Tier.ROWS

    @property
    def _landing_schema(self) -> str:
        """Name the private tables: COPY can't write into shared ones, and nobody may see half."""
        if not self._lands:
            return self.data.placement.schema
        return f"m_{self._mover.move_id.hex}"

    async def _check(self, path: Path) -> None:
        limit = self._terms.bytes_max
        async with opened(path, bytes_max=limit) as archive:
            is_checked = self.data.sha256 == archive.sha256
            fits = partial(
                assert_fits,
                product=self._terms.product,
                revision=self._moving.blueprint.head,
                shape=self._moving.shape,
            )
            fits(archive.head)
        if not is_checked:
            await check(path, bytes_max=limit, after_piece=lambda _: None)

    async def _take_over(self, connection: Connection) -> None:
        tenant_id = self._target.tenant_id
        await homes.take_over_as_ours(
            connection, self._mover, tenant_id, check_ours=self._check_ours
        )
        # The doctor finds the place well, and its tables bare for now.
        places = [
            {"schema": side.schema, "login": side.placement.login}
            for side in (self._target, self._into)
        ]
        async with self._target.transaction(connection, bounds=_BOUNDS):
            await self._mover.hold(connection)
            await self._mover.note(connection, PLACES_PART, places)

    async def _check_ours(self) -> None:
        async with self._moving.catalog.connection() as connection:
            await moving.assert_held(connection, self._progress.operation)

    async def _fill(self, connection: Connection, archive: OpenArchive) -> None:
        if self._reached is RestoreStep.MADE:
            await self._load(connection, archive)
            self._reach("restore.loaded")
            await self._progress.advance(RestoreStep.LOADED, f"{archive.seal.rows} rows are there")
        if self._reached is RestoreStep.LOADED:
            await self._build(connection)
            self._reach("restore.built")
            await self._progress.advance(RestoreStep.BUILT, "keys and references hold")
        if self._reached is RestoreStep.BUILT:
            proof = await self._verify(connection, archive)
            self.data = msgspec.structs.replace(self.data, proof=proof, rows=archive.seal.rows)
            self._reach("restore.verified")
            note = "the rows are those of the archive"
            await self._progress.advance(RestoreStep.VERIFIED, note, data=self.data)

    async def _load(self, connection: Connection, archive: OpenArchive) -> None:
        await self._note_bare(connection, self._into.schema)
        await landing.land(
            connection,
            self._into,
            self._moving.shape,
            self._mover,
            blueprint=self._moving.blueprint,
        )
        self._reach("restore.landed")
        sealed = {each.table: each for each in archive.seal.tables}
        for table in self._moving.shape.tables:
            await self._load_table(connection, archive, table, sealed[table.name])
            self._reach("restore.table")

    async def _load_table(
        self, connection: Connection, archive: OpenArchive, table: TableShape, sealed: TableSeal
    ) -> None:
        async with self._into.transaction(connection, bounds=_BOUNDS):
            noted = (await self._mover.hold(connection)).get(LOADED_PART, msgspec.Raw(b"[]"))
            loaded = msgspec.json.decode(noted, type=list[str])
            if table.name in loaded:
                return
            # The tenant isn't in the file: its column's default is who entered the gate.
            status = await connection.copy_to_table(
                table.name,
                schema_name=self._into.schema,
                columns=[column.name for column in table.written],
                source=archive.read(table.name),
                format="csv",
                header=True,
            )
            rows = int(status.rpartition(" ")[2])
            if rows != sealed.rows:
                raise ProofDiffers(
                    f"table {table.name} of the archive has {rows} rows, and its seal says "
                    f"{sealed.rows}"
                )
            await self._mover.note(connection, LOADED_PART, [*loaded, table.name])

    async def _build(self, connection: Connection) -> None:
        async def after_each(_: Rebuild) -> None:
            self._reach("restore.index")

        if self._lands:
            shape = self._moving.shape
            await landing.merge(connection, self._into, self._target, shape, self._mover)
            self._reach("restore.merged")
            await drop_schema(connection, self._into.schema, lock_ms=DROP_LOCK_MS)
        else:
            for build in (indexes.build_primary_keys, indexes.build_rest):
                await build(
                    connection,
                    self._into,
                    self._mover,
                    effort=self._moving.limits.effort,
                    after_each=after_each,
                )
        await self._note_bare(connection, None)

    async def _note_bare(self, connection: Connection, schema: str | None) -> None:
        async with self._target.transaction(connection, bounds=_BOUNDS):
            await self._mover.hold(connection)
            await self._mover.note(connection, BARE_PART, schema)

    async def _verify(self, connection: Connection, archive: OpenArchive) -> tuple[TableProof, ...]:
        shape = self._moving.shape
        known = {table.name for table in shape.tables}
        counters = {name: each for name, each in archive.seal.counters.items() if name in known}
        async with self._target.transaction(connection, bounds=_BOUNDS):
            await self._mover.hold(connection)
            if statements := counter_statements(self._target, counters):
                await connection.execute(statements)
        async with self._target.transaction(
            connection, Consistency.REPEATABLE_READ, bounds=SNAPSHOT_BOUNDS, is_read_only=True
        ):
            found = await sums(connection, self._target, shape)
        proof = tuple(
            TableProof(
                table=there.table,
                rows=there.rows,
                source_digest=here.digest,
                target_digest=there.digest,
            )
            for here, there in zip(archive.seal.digests, found, strict=True)
        )
        if different := compare(archive.seal.digests, found):
            raise ProofDiffers(
                f"what was restored isn't what the archive says, in {', '.join(different)}"
            )
        return proof

    async def _let_in(self, connection: Connection) -> None:
        tenant_id, placement = self._target.tenant_id, self.data.placement
        async with self._target.transaction(connection, bounds=_BOUNDS):
            # Not without this: one that was stopped here must not let in what was taken away.
            await self._mover.hold(connection)
            await admit(connection, tenant_id, placement)
        self._reach("restore.admitted")
        async with self._moving.places.recording(placement) as catalog:
            await placements.record(catalog, tenant_id, placement)
            await tenants.set_status(catalog, tenant_id, TenantStatus.ACTIVE)
            await self._give_owners(catalog, tenant_id)
            await audit.write(catalog, self._deed(tenant_id))
            await homes.dismiss(connection, self._mover)
            await self._progress.finish_in(catalog)

    async def _give_owners(self, catalog: Connection, tenant_id: TenantId) -> None:
        for email in self.data.owners:
            account = await accounts.find_by_email(catalog, email)
            if account is not None:
                await members.add(catalog, tenant_id, account.id, role=OWNER)

    def _deed(self, tenant_id: TenantId) -> audit.Deed:
        return audit.Deed(
            actor=self.data.actor,
            action="tenant.restored",
            target=str(tenant_id),
            tenant_id=tenant_id,
            detail={"from": self.data.source_slug, "rows": self.data.rows},
        )
