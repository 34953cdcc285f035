"""Whether the audit is whole: every entry in a chain of hashes, the chains under signed seals.

The database links each entry when its transaction commits. Nothing here believes what it says of
that: hashes are recomputed in this process, and seals are signed with a key that only the
processes have (docs/decisions/0015-audit-chains.md).
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import msgspec

from router.sealing import derive_password
from router.sql import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    import asyncpg

    from router.catalog import Catalog
    from router.connect import Connection

#: Breaks that are told; a trail that has more is lost anyway.
BREAKS_MAX: Final = 100
_PAGE_ITEMS: Final = 2_000
_SQL = load("router.catalog", "audit_chain.sql")


class BreakKind(StrEnum):
    """How the trail isn't what it was."""

    ALTERED = "altered"
    REMOVED = "removed"
    INSERTED = "inserted"
    CUT = "cut"
    FORGED = "forged"
    UNEXPECTED = "unexpected"


class Break(msgspec.Struct, frozen=True, kw_only=True):
    """One place where the trail was tampered with."""

    kind: BreakKind
    detail: str
    entry: int | None = None
    chain: int | None = None
    position: int | None = None


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Where one chain stands; ``hash`` in hexadecimal digits."""

    chain: int
    position: int
    hash: str


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """Where all chains stood at a moment. Its digest vouches for every entry before it."""

    number: int
    sealed_at: datetime
    heads: tuple[Head, ...]
    digest: bytes
    signature: bytes


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification found. ``newer`` counts the entries that no seal vouches for yet."""

    entries: int
    newer: int
    seal: Seal | None
    breaks: tuple[Break, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing was found."""
        return not self.breaks


def seal_keys(secret_keys: Iterable[bytes]) -> list[bytes]:
    """Derive what seals are signed with: the first signs, any is believed."""
    return [derive_password(each, "audit seals").encode() for each in secret_keys]


async def verify(
    catalog: Catalog, keys: Sequence[bytes], *, expected: str | None = None
) -> Verdict:
    """Recompute the whole trail; ``expected`` is a head that was noted outside, at any time.

    It is read in pages and never locked: what is written meanwhile isn't looked at.
    """
    async with catalog.connection() as connection:
        heads = await _heads(connection)
    breaks: list[Break] = []
    for head in heads:
        breaks += [each async for each in _walk(catalog, head, _origin(head.chain))]
    async with catalog.connection() as connection:
        for row in await connection.fetch(_SQL["loose"], BREAKS_MAX):
            detail = f"entry {row['id']} is in no chain: it was written past the triggers"
            breaks.append(Break(kind=BreakKind.INSERTED, detail=detail, entry=row["id"]))
    newest, found = await _check_seals(catalog, keys, expected)
    entries = sum(head.position for head in heads)
    sealed = sum(head.position for head in newest.heads) if newest else 0
    return Verdict(
        entries=entries,
        newer=max(0, entries - sealed),
        seal=newest,
        breaks=tuple(sorted([*breaks, *found], key=_place)[:BREAKS_MAX]),
    )


async def seal(catalog: Catalog, keys: Sequence[bytes]) -> Seal | Break | None:
    """Vouch for what was written since the last seal; None when nothing was.

    What doesn't follow from the last seal is a break, and stays unsealed.
    """
    async with catalog.connection() as connection:
        row = await connection.fetchrow(_SQL["last_seal"])
        heads = await _heads(connection)
    last = None if row is None else _seal(row)
    if last is not None and last.heads == heads:
        return None
    if last is not None and not _is_signed(last, keys):
        return _forged(last)
    for head in heads:
        before = _origin(head.chain) if last is None else last.heads[head.chain]
        async for found in _walk(catalog, head, before):
            return found
    made = _make(1 if last is None else last.number + 1, heads, last, keys[0])
    async with catalog.connection() as connection:
        # Another worker may have been quicker: then its seal stands.
        await connection.execute(
            _SQL["seal"],
            made.number,
            made.sealed_at,
            msgspec.json.encode(made.heads).decode(),
            made.digest,
            made.signature,
        )
    return made


async def _heads(connection: Connection) -> tuple[Head, ...]:
    rows = await connection.fetch(_SQL["heads"])
    return tuple(
        Head(chain=row["chain"], position=row["position"], hash=row["hash"].hex()) for row in rows
    )


def _origin(chain: int) -> Head:
    return Head(
        chain=chain, position=0, hash=hashlib.sha256(f"stepwell audit {chain}".encode()).hexdigest()
    )


async def _walk(catalog: Catalog, head: Head, before: Head) -> AsyncIterator[Break]:
    """Follow one chain from where it is known to its head."""
    position, value = before.position, bytes.fromhex(before.hash)
    while position < head.position:
        async with catalog.connection() as connection:
            rows = await connection.fetch(
                _SQL["walk"], head.chain, position, head.position, _PAGE_ITEMS
            )
        if not rows:
            break
        for row in rows:
            if row["position"] != position + 1:
                yield _gap(head.chain, position + 1, row["position"] - 1)
            elif (found := _judge(head.chain, row, value)) is not None:
                yield found
            position, value = row["position"], row["hash"]
    if position < head.position:
        yield _gap(head.chain, position + 1, head.position)
    elif position > head.position or value.hex() != head.hash:
        detail = f"the head of chain {head.chain} isn't its last link: the chain was cut or turned"
        yield Break(kind=BreakKind.CUT, detail=detail, chain=head.chain, position=head.position)


def _judge(chain: int, row: asyncpg.Record, before: bytes) -> Break | None:
    entry, position = row["entry_id"], row["position"]
    if not row["is_there"]:
        kind, detail = BreakKind.REMOVED, f"entry {entry} is gone"
    elif hashlib.sha256(before + row["told"].encode()).digest() != row["hash"]:
        kind, detail = BreakKind.ALTERED, f"entry {entry} isn't what was written"
    else:
        return None
    return Break(kind=kind, detail=detail, entry=entry, chain=chain, position=position)


def _gap(chain: int, first: int, last: int) -> Break:
    gone = f"link {first} is" if first == last else f"links {first} to {last} are"
    detail = f"{gone} gone from chain {chain}, with what they held"
    return Break(kind=BreakKind.REMOVED, detail=detail, chain=chain, position=first)


async def _check_seals(
    catalog: Catalog, keys: Sequence[bytes], expected: str | None
) -> tuple[Seal | None, list[Break]]:
    last: Seal | None = None
    breaks: list[Break] = []
    is_met = expected is None
    while True:
        async with catalog.connection() as connection:
            after = last.number if last else 0
            rows = await connection.fetch(_SQL["seals"], after, _PAGE_ITEMS)
        for row in rows:
            each = _seal(row)
            breaks += _judge_seal(each, last, row["differing"] or [], keys)
            is_met = is_met or each.digest.hex() == expected
            last = each
        if len(rows) < _PAGE_ITEMS:
            break
    if not is_met:
        detail = (
            f"no seal has the head {expected}: the trail was cut or rewritten since it was noted"
        )
        breaks.append(Break(kind=BreakKind.UNEXPECTED, detail=detail))
    return last, breaks


def _judge_seal(
    each: Seal, last: Seal | None, differing: list[int], keys: Sequence[bytes]
) -> list[Break]:
    number = last.number + 1 if last else 1
    if each.number != number:
        detail = f"seal {number} is gone"
        return [Break(kind=BreakKind.REMOVED, detail=detail)]
    if each.digest != _digest(each.number, each.sealed_at, each.heads, last) or not _is_signed(
        each, keys
    ):
        return [_forged(each)]
    positions = {head.chain: head.position for head in each.heads}
    return [
        Break(
            kind=BreakKind.CUT,
            detail=f"chain {chain} isn't what seal {each.number} vouches for: it was rewritten",
            chain=chain,
            position=positions[chain],
        )
        for chain in differing
    ]


def _make(number: int, heads: tuple[Head, ...], last: Seal | None, key: bytes) -> Seal:
    sealed_at = datetime.now(UTC)
    digest = _digest(number, sealed_at, heads, last)
    return Seal(
        number=number,
        sealed_at=sealed_at,
        heads=heads,
        digest=digest,
        signature=hmac.digest(key, digest, "sha256"),
    )


def _digest(number: int, sealed_at: datetime, heads: tuple[Head, ...], last: Seal | None) -> bytes:
    told = [str(number), sealed_at.astimezone(UTC).isoformat(), last.digest.hex() if last else ""]
    told += [f"{head.chain} {head.position} {head.hash}" for head in heads]
    return hashlib.sha256("\n".join(told).encode()).digest()


def _is_signed(each: Seal, keys: Sequence[bytes]) -> bool:
    return any(
        hmac.compare_digest(each.signature, hmac.digest(key, each.digest, "sha256")) for key in keys
    )


def _forged(each: Seal) -> Break:
    detail = f"seal {each.number} isn't ours: it was forged, or signed with a key that we lack"
    return Break(kind=BreakKind.FORGED, detail=detail)


def _place(found: Break) -> tuple[int, int, int]:
    # Entries first, in their order; what was taken away has none.
    if found.entry is not None:
        return (0, found.entry, 0)
    return (1, found.chain or 0, found.position or 0)


def _seal(row: asyncpg.Record) -> Seal:
    return Seal(
        number=row["number"],
        sealed_at=row["sealed_at"],
        heads=msgspec.json.decode(row["heads"], type=tuple[Head, ...]),
        digest=row["digest"],
        signature=row["signature"],
    )
