"""At which revision a new place is made, decided without any database."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from migrations.waves.births import decide
from migrations.waves.plan import wave_of
from router.catalog.operations import OperationState
from router.catalog.wave_words import Direction, Migration, Place, Rules
from router.words import Tier

ORDER = ("1", "2", "3")
HERE = Place(cluster="shared-1", database="shared", schema="s_new", tier=Tier.SCHEMA)
RULES = Rules(percents=(10, 50))
UP = Migration(
    id=UUID(int=1),
    target="3",
    source="2",
    direction=Direction.UP,
    rules=RULES,
    wave=1,
    waves=RULES.waves,
    requested_by="operator:test",
    requested_at=datetime.now(UTC),
    reason="a test",
    paused_at=None,
    paused_by=None,
    ended_at=None,
    operation_state=OperationState.RUNNING,
    error=None,
    started_at=None,
)
DOWN = msgspec.structs.replace(UP, direction=Direction.DOWN, target="1", source="3")


def test_without_any_migration_it_is_the_newest() -> None:
    assert decide(HERE, ORDER, going=None, latest=None) == "3"
    assert decide(HERE, ORDER, going=None, latest=UP) == "3"


@pytest.mark.parametrize("wave", range(1, RULES.waves + 1))
def test_in_a_migration_it_is_that_of_its_wave(wave: int) -> None:
    going = msgspec.structs.replace(UP, wave=wave)
    wanted = "3" if wave_of(HERE, RULES) <= wave else "2"
    assert decide(HERE, ORDER, going=going, latest=None) == wanted


def test_what_is_taken_back_is_not_made_again() -> None:
    assert decide(HERE, ORDER, going=DOWN, latest=None) == "1"
    assert decide(HERE, ORDER, going=None, latest=DOWN) == "1"


def test_a_process_makes_no_revision_that_it_does_not_know() -> None:
    going = msgspec.structs.replace(UP, target="4", source="3", wave=RULES.waves)
    assert decide(HERE, ORDER, going=going, latest=None) == "3"
