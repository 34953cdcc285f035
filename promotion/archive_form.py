"""What an archive is: a ZIP file of CSV tables between a head and a seal, and a sum of it all.

ZIP and CSV are read by everything, today and in ten years, and PostgreSQL's own text of a value
is what every type can be written as and read from, at any version. The tenant's id isn't among the
columns: the rows are those of whichever tenant they are restored as.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import msgspec

from router.errors import Unprocessable
from router.words import Digest, Isolation, Tier

if TYPE_CHECKING:
    from promotion.shape import Shape, TableShape

FORMAT: Final = "stepwell-archive"
VERSION: Final = 1
HEAD_FILE: Final = "head.json"
SEAL_FILE: Final = "seal.json"
README_FILE: Final = "README.txt"
#: A head or a seal beyond this isn't ours: a product of a thousand tables has less.
DOCUMENT_BYTES_MAX: Final = 16_000_000
#: The ZIP comment: the sum of every byte before it. It is the file's last 71 bytes.
COMMENT: Final = "sha256:"
COMMENT_BYTES: Final = len(COMMENT) + 64
README: Final = """\
This is an archive of one customer's rows, as they were at one moment.

head.json     what the archive is: format, product, revision, customer, moment, tables, columns
tables/*.csv  the rows of one table each, ordered by the primary key: UTF-8, RFC 4180, a header
              with the names of the columns; an empty field without quotes is NULL, "" is an empty
              text; values are PostgreSQL's text of them (dates ISO in UTC, bytea in hex)
seal.json     for each table the number of rows, the digest of the rows, and the sha256 of its
              file; the highest number that each table's key gave out; the sha256 of head.json

The ZIP comment is the sha256 of everything before it:
    head -c -71 FILE | sha256sum ; tail -c 71 FILE
"""


class TableHead(msgspec.Struct, frozen=True, kw_only=True):
    """A table and the columns of its file, each with its SQL type."""

    name: str
    columns: tuple[tuple[str, str], ...]


class ArchivedTenant(msgspec.Struct, frozen=True, kw_only=True):
    """Whose rows these were; ``owners`` are addresses."""

    id: UUID
    slug: str
    name: str
    plan: str
    isolation: Isolation
    tier: Tier
    owners: tuple[str, ...] = ()


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What is known before the first row."""

    format: str
    version: int
    product: str
    revision: str
    shape: str
    tenant: ArchivedTenant
    taken_at: datetime
    tables: tuple[TableHead, ...]


class TableSeal(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a table behind its last row. The digest is that of a move's proof."""

    table: str
    rows: int
    digest: str
    bytes: int
    sha256: str


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """What is known behind the last row of all."""

    head_sha256: str
    tables: tuple[TableSeal, ...]
    counters: dict[str, int]

    @property
    def digests(self) -> tuple[Digest, ...]:
        """The sums of the rows."""
        return tuple(
            Digest(table=each.table, rows=each.rows, digest=each.digest) for each in self.tables
        )

    @property
    def rows(self) -> int:
        """The rows of all tables."""
        return sum(each.rows for each in self.tables)

    @property
    def bytes(self) -> int:
        """The bytes of all tables, before they are compressed."""
        return sum(each.bytes for each in self.tables)


class _Versioned(msgspec.Struct):
    format: str
    version: int


def table_file(table: str) -> str:
    """Name a table's file in the archive; nothing is ever written to a path of that name."""
    return f"tables/{table}.csv"


def heads_of(shape: Shape) -> tuple[TableHead, ...]:
    """Tell the tables as an archive's head does."""
    return tuple(_head(table) for table in shape.tables)


def sum_of(shape: Shape) -> str:
    """Sum up everything that must be the same where an archive is read: one product, one revision.

    Only what the product says goes into it, and nothing that a server's version spells its way.
    """
    # SQLAlchemy's names are a kind of text that only it knows.
    return hashlib.sha256(msgspec.json.encode(shape, enc_hook=str)).hexdigest()


def read_head(data: bytes) -> Head:
    """Read the head, or say why this program can't."""
    try:
        versioned = msgspec.json.decode(data, type=_Versioned)
        if versioned.format != FORMAT:
            raise Unprocessable(f"the file is of format {versioned.format[:40]!r}, not {FORMAT}")
        if versioned.version != VERSION:
            raise Unprocessable(
                f"the archive is of version {versioned.version}, and this program reads version "
                f"{VERSION}: use the release that wrote it"
            )
        return msgspec.json.decode(data, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unprocessable(f"{HEAD_FILE} of the archive can't be read: {error}") from error


def read_seal(data: bytes) -> Seal:
    """Read the seal, or say why not."""
    try:
        return msgspec.json.decode(data, type=Seal)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unprocessable(f"{SEAL_FILE} of the archive can't be read: {error}") from error


def assert_fits(head: Head, *, product: str, revision: str, shape: Shape) -> None:
    """Raise Unprocessable where the archive is of other tables than those that it would fill."""
    if head.product != product:
        raise Unprocessable(
            f"the archive is of the product {head.product[:40]!r}, and this installation serves "
            f"{product!r}"
        )
    if head.revision != revision:
        raise Unprocessable(
            f"the archive is of revision {head.revision[:40]}, and new places are made at "
            f"{revision}: restore it with the release that has that revision, then migrate"
        )
    if head.shape != sum_of(shape) or head.tables != heads_of(shape):
        ours = {each.name: each for each in heads_of(shape)}
        theirs = {each.name: each for each in head.tables}
        names = sorted(n for n in ours.keys() | theirs if ours.get(n) != theirs.get(n))
        raise Unprocessable(
            f"the archive's tables aren't those of this product's revision {revision}: they differ "
            f"in {', '.join(names)[:200] or 'their keys and references'}"
        )


def _head(table: TableShape) -> TableHead:
    return TableHead(
        name=str(table.name),
        columns=tuple((str(column.name), str(column.type_sql)) for column in table.written),
    )
