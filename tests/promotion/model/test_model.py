from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.promotion.model.designs import AS_BUILT, VARIANTS, Property, Variant
from tests.promotion.model.search import Found, search

PAGE = Path(__file__).resolve().parents[3] / "docs" / "explanation" / "promotion-model.md"
STORY_LINES_MAX = 20
#: What must have happened somewhere, or the search proves less than it says.
HAPPENS = (
    "router A gets the lock and is refused: 40001",
    "router A commits write 2 at source and acknowledges it",
    "router A commits write 2 at target and acknowledges it",
    "router B is refused at target and sent to source at epoch 2",
    "router B is refused at source and sent to target at epoch 3",
    "router B hears the catalog's news",
    "mover 1 loses its connections: what it had open is undone",
    "mover 1 shuts the target again",
    "mover 1 finds another token and gives way",
    "mover 1 drops the target",
    "mover 1 flips the catalog's route",
    "mover 2 takes over at the target and will wake capture",
    "mover 2 takes over at the target and will copy",
    "mover 2 takes over at the target and will follow",
    "mover 2 takes over at the target and will flip",
    "mover 2 takes over at the target and will drop the target",
    "mover 2 commits the decision at the source",
)


@pytest.fixture(scope="module")
def as_built() -> Found:
    return search(AS_BUILT)


@pytest.mark.timeout(120)
def test_the_design_keeps_every_property_in_every_state(as_built: Found) -> None:
    assert as_built.stories == {}


def test_everything_that_can_go_wrong_went_wrong_somewhere(as_built: Found) -> None:
    assert [text for text in HAPPENS if text not in as_built.said] == []


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda variant: variant.name)
def test_a_broken_variant_is_found_broken(variant: Variant) -> None:
    found = search(variant.played, variant.breaks)
    assert set(found.stories) == set(variant.breaks)
    assert max(len(story) for story in found.stories.values()) <= STORY_LINES_MAX


def test_each_switch_of_the_design_breaks_it_alone() -> None:
    alone = [switched for v in VARIANTS if len(switched := _switched_off(v)) == 1]
    switches = {*AS_BUILT.__struct_fields__} - {"writes_each"}
    assert {name for switched in alone for name in switched} == switches


def test_a_story_is_the_same_each_time() -> None:
    assert search(VARIANTS[0].played) == search(VARIANTS[0].played)


def test_without_a_fence_a_write_comes_after_the_last_look() -> None:
    story = search(VARIANTS[0].played, [Property.NOTHING_LOST]).stories[Property.NOTHING_LOST]
    looked = story.index("mover 1 reads the last of the log, with no lock")
    wrote = story.index("router A commits write 1 at source and acknowledges it")
    assert looked < wrote


def test_the_page_tells_what_the_search_finds(as_built: Found) -> None:
    page = PAGE.read_text()
    assert f"{as_built.states:,} states" in page
    assert f"{as_built.moves:,} moves" in page
    assert [v.name for v in VARIANTS if f"| {v.name} | {v.says} |" not in page] == []


def _switched_off(variant: Variant) -> set[str]:
    switches = msgspec.structs.asdict(variant.design)
    return {name for name, value in switches.items() if value is False}
