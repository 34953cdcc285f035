"""What a process remembers of where places are."""

from __future__ import annotations

import asyncio

import pytest

from router.catalog import Catalog, waves
from router.catalog.wave_words import Place
from router.directory import Directory, DirectoryLimits
from router.revisions import Revisions
from router.words import Placement, Tier
from tests.catalog.worlds import SEALER, place

ORDER = ("1", "2", "3")
HEARD_S_MAX = 20.0


def spelled(of: Placement) -> Place:
    return Place(cluster=of.cluster, database=of.database, schema=of.schema, tier=of.tier)


async def saw(catalog: Catalog, where: Placement, revision: str) -> None:
    async with catalog.transaction() as connection:
        await waves.saw(connection, {spelled(where): revision})


async def test_a_directory_hears_where_a_place_is(catalog: Catalog) -> None:
    here = place()
    directory = Directory(catalog, SEALER, DirectoryLimits(), revisions=ORDER)
    await directory.start()
    try:
        assert directory.revision_of(here).revision is None
        for revision in ("2", "3", "1"):
            await saw(catalog, here, revision)
            async with asyncio.timeout(HEARD_S_MAX):
                while directory.revision_of(here).revision != revision:
                    await asyncio.sleep(0.02)
    finally:
        await directory.close()
        async with catalog.transaction() as connection:
            await waves.gone(connection, [spelled(here)])


@pytest.mark.parametrize(
    ("revision", "how"),
    [
        ("3", None),
        ("2", "are at revision 2, and this version of the product needs 3"),
        ("4", "are at revision 4, which this process, of 3, doesn't know yet"),
    ],
)
async def test_what_differs_is_said(catalog: Catalog, revision: str, how: str | None) -> None:
    here, known = place(tier=Tier.ROWS), Revisions(catalog, ORDER)
    await saw(catalog, here, revision)
    await known.read_changed()
    told = known.of(here)
    assert (told.differs_how or "").startswith(how or "")
    assert (told.differs_how is None, told.mark == "") == (how is None, how is None)


async def test_a_doubt_lasts_until_the_place_changes(catalog: Catalog) -> None:
    here, known = place(), Revisions(catalog, ORDER)
    await saw(catalog, here, "3")
    await known.read_all()
    known.doubt(here)
    first = known.of(here).mark
    known.doubt(here)
    second = known.of(here).mark
    assert len({"", first, second}) == 3
    for read in (known.read_all, known.read_changed):
        await read()
        assert known.of(here).mark == second
    for revision in ("2", "3"):
        await saw(catalog, here, revision)
        await known.read_changed()
    assert known.of(here).mark == ""


async def test_a_place_that_is_gone_is_forgotten(catalog: Catalog) -> None:
    here, known = place(), Revisions(catalog, ORDER)
    await saw(catalog, here, "2")
    await known.read_all()
    assert known.of(here).revision == "2"
    async with catalog.transaction() as connection:
        await waves.gone(connection, [spelled(here)])
    await known.read_all()
    assert known.of(here).revision is None
