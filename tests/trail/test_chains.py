"""Whatever is done to the audit behind its back is found, and nothing else is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import asyncpg
import pytest

from router.catalog import audit, audit_chain
from router.catalog.audit import Deed
from router.catalog.audit_chain import Break, BreakKind, Seal, Verdict
from router.sql import load

if TYPE_CHECKING:
    from router.catalog import Catalog

TAMPERING = load("tests.trail", "tampering.sql")
KEYS = audit_chain.seal_keys([b"the secret key of these tests, 32 bytes"])
OTHER_KEYS = audit_chain.seal_keys([b"another secret key, which nobody trusts"])
ENTRIES = 12
#: What each way of tampering is found as, and at which entry where it has one.
FOUND: dict[str, set[tuple[BreakKind, int | None]]] = {
    "altered": {(BreakKind.ALTERED, 5)},
    "altered_in_its_detail": {(BreakKind.ALTERED, 5)},
    "removed": {(BreakKind.REMOVED, 5)},
    "removed_with_its_link": {(BreakKind.REMOVED, None)},
    "inserted": {(BreakKind.INSERTED, 500)},
    "swapped": {(BreakKind.ALTERED, 5), (BreakKind.ALTERED, 6)},
    "links_swapped": {(BreakKind.ALTERED, 5), (BreakKind.ALTERED, 6)},
    "cut": {(BreakKind.CUT, None)},
    "rewritten": {(BreakKind.CUT, None)},
}


async def write(catalog: Catalog, count: int = ENTRIES) -> None:
    """Write entries, each in a transaction of its own, with whatever a person may type."""
    for number in range(count):
        deed = Deed(
            actor="operator:ada",
            action="tenant.suspend",
            target=f"tenant:{number}",
            reason=f'unpaid since {number} days: "ü", \\ and 💿',
            detail={"number": number, "nested": {"b": [1.5, None], "a": 10**15}},
            request_id=None if number % 2 else f"r-{number}",
        )
        async with catalog.transaction() as connection:
            await audit.write(connection, deed)


async def tamper(catalog: Catalog, way: str) -> None:
    """Do it as a superuser whom no trigger sees."""
    async with catalog.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(TAMPERING[way])


async def check(catalog: Catalog, expected: str | None = None) -> Verdict:
    return await audit_chain.verify(catalog, KEYS, expected=expected)


async def seal(catalog: Catalog) -> Seal:
    made = await audit_chain.seal(catalog, KEYS)
    assert isinstance(made, Seal)
    return made


def places(verdict: Verdict) -> set[tuple[BreakKind, int | None]]:
    return {(each.kind, each.entry) for each in verdict.breaks}


def entries(found: set[tuple[BreakKind, int | None]]) -> set[int | None]:
    return {entry for _, entry in found} - {None}


async def test_an_untouched_trail_is_whole(catalog: Catalog) -> None:
    assert (await check(catalog)).is_whole
    await write(catalog)
    first = await check(catalog)
    assert (first.entries, first.newer, first.seal, first.breaks) == (ENTRIES, ENTRIES, None, ())
    made = await seal(catalog)
    await write(catalog, 3)
    second = await check(catalog, made.digest.hex())
    assert second.breaks == ()
    assert (second.entries, second.newer, second.seal) == (ENTRIES + 3, 3, made)


@pytest.mark.parametrize("way", FOUND)
async def test_what_a_superuser_does_is_found(catalog: Catalog, way: str) -> None:
    await write(catalog)
    await seal(catalog)
    await tamper(catalog, way)
    found = places(await check(catalog))
    # A link that was a head when it was sealed is missed by the seal as well.
    assert found >= FOUND[way]
    assert entries(found) == entries(FOUND[way])


@pytest.mark.parametrize("way", sorted(FOUND.keys() - {"cut", "rewritten"}))
async def test_most_of_it_is_found_without_a_seal_too(catalog: Catalog, way: str) -> None:
    await write(catalog)
    await tamper(catalog, way)
    assert places(await check(catalog)) == FOUND[way]


async def test_only_seals_know_what_was_rewritten_or_cut(catalog: Catalog) -> None:
    """The control: without them both go unnoticed, so it is they who find it above."""
    await write(catalog)
    await tamper(catalog, "rewritten")
    await tamper(catalog, "cut")
    assert (await check(catalog)).is_whole


async def test_a_head_that_was_noted_outside_finds_what_seals_cant(catalog: Catalog) -> None:
    await write(catalog)
    noted = (await seal(catalog)).digest.hex()
    await tamper(catalog, "rewritten")
    await tamper(catalog, "seals_removed")
    await seal(catalog)
    assert (await check(catalog)).is_whole
    assert places(await check(catalog, noted)) == {(BreakKind.UNEXPECTED, None)}


async def test_a_trail_that_was_tampered_with_gets_no_seal(catalog: Catalog) -> None:
    await write(catalog)
    await seal(catalog)
    await write(catalog)
    await tamper(catalog, "rewritten")
    assert isinstance(await audit_chain.seal(catalog, KEYS), Break)
    verdict = await check(catalog)
    assert verdict.seal is not None
    assert verdict.seal.number == 1


async def test_a_seal_of_somebody_else_is_forged(catalog: Catalog) -> None:
    await write(catalog)
    await audit_chain.seal(catalog, OTHER_KEYS)
    assert places(await check(catalog)) == {(BreakKind.FORGED, None)}
    await write(catalog, 1)
    refused = await audit_chain.seal(catalog, KEYS)
    assert isinstance(refused, Break)
    assert refused.kind is BreakKind.FORGED


async def test_a_seal_with_the_key_of_before_is_believed(catalog: Catalog) -> None:
    await write(catalog)
    await seal(catalog)
    rotated = [*OTHER_KEYS, *KEYS]
    assert (await audit_chain.verify(catalog, rotated)).is_whole
    await write(catalog, 1)
    assert isinstance(await audit_chain.seal(catalog, rotated), Seal)
    assert (await audit_chain.verify(catalog, rotated)).is_whole


async def test_nothing_new_gets_no_seal(catalog: Catalog) -> None:
    await write(catalog)
    await seal(catalog)
    assert await audit_chain.seal(catalog, KEYS) is None


async def test_writers_at_once_all_get_their_links(catalog: Catalog) -> None:
    async def write_some(number: int) -> None:
        for each in range(10):
            async with catalog.transaction() as connection:
                deed = Deed(actor="worker", action="note", target=f"{number}.{each}")
                await audit.write(connection, deed)
                await audit.write(connection, deed)

    await asyncio.gather(*(write_some(number) for number in range(8)))
    verdict = await check(catalog)
    assert (verdict.entries, verdict.breaks) == (160, ())


async def test_what_is_taken_back_leaves_no_link(catalog: Catalog) -> None:
    async with catalog.connection() as connection:
        await connection.execute("BEGIN")
        await audit.write(connection, Deed(actor="worker", action="note", target="x"))
        await connection.execute("ROLLBACK")
    verdict = await check(catalog)
    assert (verdict.entries, verdict.breaks) == (0, ())


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE catalog.audit_link SET hash = hash",
        "DELETE FROM catalog.audit_link",
        "TRUNCATE catalog.audit_link",
        "UPDATE catalog.audit_seal SET heads = heads",
        "DELETE FROM catalog.audit_seal",
        "TRUNCATE catalog.audit_seal",
        "DELETE FROM catalog.audit_head",
        "TRUNCATE catalog.audit_head CASCADE",
        "INSERT INTO catalog.audit_head SELECT 16, 0, hash FROM catalog.audit_head LIMIT 1",
        "UPDATE catalog.audit_head SET position = position - 1",
        "UPDATE catalog.audit_head SET chain = chain + 16",
    ],
)
async def test_with_the_triggers_on_nobody_changes_a_chain(
    catalog: Catalog, statement: str
) -> None:
    await write(catalog, 1)
    with pytest.raises(asyncpg.CheckViolationError):
        async with catalog.transaction() as connection:
            await connection.execute(statement)
