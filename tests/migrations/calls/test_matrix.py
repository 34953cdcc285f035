"""How the matrix counts: from what was seen, without a database."""

from __future__ import annotations

from router.catalog.wave_matrix import Cell, Standing, UnderWay, spread
from router.catalog.wave_words import EntryState
from router.words import Tier

ORDER = ["0001", "0002", "0003"]


def standing(revision: str | None, places: int) -> Standing:
    return Standing(cluster="shared-1", tier=Tier.SCHEMA, revision=revision, places=places)


def under_way(revision: str, state: EntryState, places: int) -> UnderWay:
    return UnderWay(
        cluster="shared-1", tier=Tier.SCHEMA, revision=revision, state=state, places=places
    )


def counted(cells: list[Cell]) -> dict[str, tuple[int, int, int, int, int]]:
    return {c.revision: (c.done, c.running, c.failed, c.pending, c.unseen) for c in cells}


def test_who_is_at_a_later_revision_has_the_earlier_ones() -> None:
    cells = spread(ORDER, [standing("0001", 2), standing("0003", 5)], [])
    assert counted(cells) == {
        "0003": (5, 0, 0, 2, 0),
        "0002": (5, 0, 0, 2, 0),
        "0001": (7, 0, 0, 0, 0),
    }
    assert {cell.places for cell in cells} == {7}


def test_what_is_under_way_is_no_longer_pending() -> None:
    entries = [under_way("0002", EntryState.RUNNING, 3), under_way("0002", EntryState.FAILED, 1)]
    cells = spread(ORDER, [standing("0001", 10)], entries)
    assert counted(cells)["0002"] == (0, 3, 1, 6, 0)
    assert counted(cells)["0003"] == (0, 0, 0, 10, 0)


def test_an_entry_that_a_place_has_outrun_is_not_counted_twice() -> None:
    cells = spread(ORDER, [standing("0003", 4)], [under_way("0003", EntryState.RUNNING, 2)])
    assert counted(cells)["0003"] == (4, 0, 0, 0, 0)


def test_a_place_that_nobody_knows_is_said_to_be_unseen() -> None:
    cells = spread(ORDER, [standing(None, 2), standing("9999", 1), standing("0003", 1)], [])
    assert counted(cells)["0003"] == (1, 0, 0, 0, 3)


def test_clusters_and_tiers_stand_beside_each_other_and_the_newest_revision_first() -> None:
    rows = Standing(cluster="shared-1", tier=Tier.ROWS, revision="0003", places=1)
    far = Standing(cluster="shared-2", tier=Tier.ROWS, revision="0001", places=1)
    cells = spread(ORDER, [far, standing("0003", 1), rows], [])
    newest = cells[:3]
    assert {cell.revision for cell in newest} == {"0003"}
    assert [(cell.cluster, cell.tier) for cell in newest] == [
        ("shared-1", Tier.ROWS),
        ("shared-1", Tier.SCHEMA),
        ("shared-2", Tier.ROWS),
    ]
