"""An archive as a file: written from its beginning to its end, and read only when it is whole."""

from __future__ import annotations

import asyncio
import hashlib
import os
import struct
import zipfile
import zlib
from contextlib import asynccontextmanager, contextmanager
from typing import IO, TYPE_CHECKING, BinaryIO

import msgspec

from promotion.archive_form import (
    COMMENT,
    COMMENT_BYTES,
    DOCUMENT_BYTES_MAX,
    HEAD_FILE,
    README,
    README_FILE,
    SEAL_FILE,
    read_head,
    read_seal,
    table_file,
)
from router.errors import Unprocessable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
    from datetime import datetime
    from pathlib import Path

    from promotion.archive_form import Head, Seal

PIECE_BYTES = 256_000
#: Rows of tables become a fifth of their size; the levels above this one gain little more.
_LEVEL = 4
#: What the list of an archive's files may take: those of ten thousand tables fit.
_DIRECTORY_BYTES_MAX = 2_000_000
#: These are unpacked piece by piece, and no further than the size that is told.
_FORMS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_IS_ENCRYPTED = 0x1
#: The fixed part of a ZIP file's last record: PKWARE's APPNOTE, 4.3.16; and of the 64-bit ones.
_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_OWNER_ONLY = 0o600


class ArchiveWriter:
    """Writes an archive to a stream, piece by piece; never more than a piece is in memory.

    Made by ``writing``, which leaves nothing open behind an error.
    """

    def __init__(self, stream: BinaryIO, taken_at: datetime) -> None:
        self._summing = _Summing(stream)
        # It has no tell(), so ZipFile treats it as a stream and looks back at nothing.
        self._zip = zipfile.ZipFile(
            self._summing,
            "w",
            compression=zipfile.ZIP_DEFLATED,
            compresslevel=_LEVEL,
        )
        self._taken_at = taken_at

    async def put(self, name: str, data: bytes) -> str:
        """Write a small file; returns its sha256."""
        async with self.file(name) as file:
            await file.write(data)
        return file.sha256

    @asynccontextmanager
    async def file(self, name: str) -> AsyncGenerator[WrittenFile]:
        """Open the next file of the archive."""
        info = zipfile.ZipInfo(name, date_time=self._taken_at.timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = _OWNER_ONLY << 16
        with self._zip.open(info, "w", force_zip64=True) as handle:
            written = WrittenFile(handle)
            yield written

    async def close(self) -> str:
        """Write the end; returns the sum of all before it."""
        self._zip.comment = b"\0" * COMMENT_BYTES
        await asyncio.to_thread(self._zip.close)
        return self._summing.finish()

    def abandon(self) -> None:
        """Write nothing more, not even when the last reference goes; after the end, do nothing."""
        self._summing.is_abandoned = True
        self._zip.close()

    @property
    def bytes(self) -> int:
        """How long the file is by now."""
        return self._summing.bytes


class WrittenFile:
    """One file of an archive on its way."""

    def __init__(self, handle: IO[bytes]) -> None:
        self._handle = handle
        self._sum = hashlib.sha256()
        self.bytes = 0

    @property
    def sha256(self) -> str:
        """The sum of what was written."""
        return self._sum.hexdigest()

    async def write(self, data: bytes) -> None:
        """Write a piece; other tasks run while it is compressed."""
        await asyncio.to_thread(self._write, data)

    def _write(self, data: bytes) -> None:
        self._sum.update(data)
        self._handle.write(data)
        self.bytes += len(data)


class _Summing:
    """Sums up what is written, and puts the sum in the place of the last bytes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._sum = hashlib.sha256()
        self._held = b""
        self.bytes = 0
        self.is_abandoned = False

    def write(self, data: bytes, /) -> int:
        if self.is_abandoned:
            return len(data)
        held = self._held + bytes(data)
        self._put(held[:-COMMENT_BYTES])
        self._held = held[-COMMENT_BYTES:]
        return len(data)

    def flush(self) -> None:
        if not self.is_abandoned:
            self._stream.flush()

    def close(self) -> None:
        """Leave the stream to whoever opened it."""

    def finish(self) -> str:
        assert self._held == b"\0" * COMMENT_BYTES, "the comment is a ZIP file's last part"
        digest = self._sum.hexdigest()
        self._stream.write(f"{COMMENT}{digest}".encode())
        self._stream.flush()
        self.bytes += COMMENT_BYTES
        return digest

    def _put(self, data: bytes) -> None:
        self._sum.update(data)
        self._stream.write(data)
        self.bytes += len(data)


@contextmanager
def writing(stream: BinaryIO, taken_at: datetime) -> Generator[ArchiveWriter]:
    """Lend a writer; what it wrote is an archive only after its ``close``."""
    writer = ArchiveWriter(stream, taken_at)
    try:
        yield writer
    finally:
        writer.abandon()


class OpenArchive:
    """An archive that has all its parts, of sizes that are allowed."""

    def __init__(self, file: zipfile.ZipFile, told_sum: str) -> None:
        self._zip = file
        self.sha256 = told_sum
        self._check_forms()
        head = self._document(HEAD_FILE)
        self.head: Head = read_head(head)
        self.seal: Seal = read_seal(self._document(SEAL_FILE))
        if hashlib.sha256(head).hexdigest() != self.seal.head_sha256:
            raise Unprocessable(f"{HEAD_FILE} of the archive was altered: its seal is another's")
        self._check_files()

    def check_sizes(self, *, bytes_max: int) -> None:
        """Refuse what would unpack to more than this, before anything is unpacked."""
        told = sum(info.file_size for info in self._zip.infolist())
        if told > bytes_max:
            raise Unprocessable(
                f"the archive unpacks to {told:,} bytes, and the limit is {bytes_max:,}: raise "
                "STEPWELL_ARCHIVE_BYTES_MAX if it is one of yours"
            )

    async def read(self, table: str) -> AsyncIterator[bytes]:
        """Yield a table's file in pieces; raises Unprocessable at its end where it was altered."""
        sealed = next(each for each in self.seal.tables if each.table == table)
        summed, seen = hashlib.sha256(), 0
        handle = await asyncio.to_thread(self._zip.open, table_file(table))
        try:
            while piece := await asyncio.to_thread(_read_piece, handle, table):
                summed.update(piece)
                seen += len(piece)
                yield piece
        finally:
            handle.close()
        if (summed.hexdigest(), seen) != (sealed.sha256, sealed.bytes):
            raise Unprocessable(f"the rows of table {table} in the archive were altered")

    def _document(self, name: str) -> bytes:
        try:
            info = self._zip.getinfo(name)
        except KeyError as error:
            raise Unprocessable(
                f"the file has no {name}: it is no archive of ours, or not whole"
            ) from error
        if info.file_size > DOCUMENT_BYTES_MAX:
            raise Unprocessable(
                f"{name} of the archive is larger than {DOCUMENT_BYTES_MAX:,} bytes"
            )
        try:
            return self._zip.read(info)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise Unprocessable(f"{name} of the archive can't be read: {error}") from error

    def _check_forms(self) -> None:
        """Refuse what we never write: some forms unpack to gigabytes whatever size they tell."""
        for info in self._zip.infolist():
            is_ours = info.compress_type in _FORMS and not info.flag_bits & _IS_ENCRYPTED
            if not is_ours:
                raise Unprocessable(
                    f"{info.filename[:80]!r} of the archive is encrypted, or packed in a way that "
                    "archives aren't"
                )

    def _check_files(self) -> None:
        tables = [each.name for each in self.head.tables]
        if tables != [each.table for each in self.seal.tables]:
            raise Unprocessable("the archive's head and seal don't speak of the same tables")
        wanted = [HEAD_FILE, README_FILE, *map(table_file, tables), SEAL_FILE]
        found = [info.filename for info in self._zip.infolist()]
        if sorted(found) != sorted(wanted):
            odd = sorted({*found} ^ {*wanted}) or sorted({n for n in found if found.count(n) > 1})
            raise Unprocessable(f"the archive's files aren't those of its head: {odd[:3]}")


@asynccontextmanager
async def opened(path: Path, *, bytes_max: int) -> AsyncGenerator[OpenArchive]:
    """Open an archive; raises Unprocessable with what is wrong. Rows aren't looked at yet."""
    try:
        with path.open("rb") as stream:
            told_sum = await asyncio.to_thread(_check_end, stream, path)
            with zipfile.ZipFile(stream) as file:
                archive = await asyncio.to_thread(OpenArchive, file, told_sum)
                archive.check_sizes(bytes_max=bytes_max)
                yield archive
    except OSError as error:
        raise Unprocessable(f"{path.name} can't be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise Unprocessable(f"{path.name} isn't a whole archive: {error}") from error


async def check(path: Path, *, bytes_max: int, after_piece: Callable[[int], None]) -> OpenArchive:
    """Read every byte of an archive, and refuse one that isn't as it was written.

    ``after_piece`` hears how many bytes were looked at. What is returned is closed: its head and
    its seal.
    """
    async with opened(path, bytes_max=bytes_max) as archive:
        found = await asyncio.to_thread(_sum_up, path, after_piece)
        if found != archive.sha256:
            culprit = await _find_culprit(archive)
            raise Unprocessable(
                f"{path.name} was altered since it was written: "
                + (culprit or f"its sum is {found[:16]}…, and ought to be {archive.sha256[:16]}…")
            )
        for each in archive.seal.tables:
            async for piece in archive.read(each.table):
                after_piece(len(piece))
        return archive


async def _find_culprit(archive: OpenArchive) -> str | None:
    for each in archive.seal.tables:
        try:
            async for _ in archive.read(each.table):
                pass
        except Unprocessable as error:
            return error.detail
    return None


def _check_end(stream: BinaryIO, path: Path) -> str:
    """Look whether the end is there, before a library is led by what it says."""
    size = stream.seek(0, os.SEEK_END)
    cut = Unprocessable(f"{path.name} isn't a whole archive: its end is missing")
    if size < _END.size + COMMENT_BYTES:
        raise cut
    stream.seek(size - _END.size - COMMENT_BYTES)
    end = stream.read()
    signature, *_, directory_bytes, _, comment_bytes = _END.unpack(end[: _END.size])
    comment = end[_END.size :]
    if (signature, comment_bytes) != (_END_SIGNATURE, COMMENT_BYTES):
        raise cut
    if not comment.startswith(COMMENT.encode()):
        raise Unprocessable(f"{path.name} is no archive of ours: its last line is another's")
    larger = max(directory_bytes, _directory_bytes_64(stream, size))
    if larger > _DIRECTORY_BYTES_MAX:
        raise Unprocessable(f"{path.name} lists more files than an archive has")
    stream.seek(0)
    return comment[len(COMMENT) :].decode("ascii", "replace")


def _directory_bytes_64(stream: BinaryIO, size: int) -> int:
    start = size - _END.size - COMMENT_BYTES - _LOCATOR.size - _END64.size
    if start < 0:
        return 0
    stream.seek(start)
    record = stream.read(_END64.size)
    values = _END64.unpack(record)
    return int(values[8]) if values[0] == b"PK\x06\x06" else 0


def _read_piece(handle: IO[bytes], table: str) -> bytes:
    try:
        return handle.read(PIECE_BYTES)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise Unprocessable(f"the rows of table {table} in the archive were altered") from error


def _sum_up(path: Path, after_piece: Callable[[int], None]) -> str:
    summed = hashlib.sha256()
    left = path.stat().st_size - COMMENT_BYTES
    with path.open("rb") as stream:
        while left > 0 and (piece := stream.read(min(PIECE_BYTES, left))):
            summed.update(piece)
            left -= len(piece)
            after_piece(len(piece))
    return summed.hexdigest()


def create(path: Path) -> BinaryIO:
    """Create a file that only its owner may read; raises FileExistsError where there is one."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "wb")


async def write_ends(writer: ArchiveWriter, head: Head) -> str:
    """Write the head and what explains it; returns the head's sum, for the seal."""
    told = await writer.put(HEAD_FILE, msgspec.json.format(msgspec.json.encode(head)))
    await writer.put(README_FILE, README.encode())
    return told
