"""What a migration does next, decided without any database."""

from __future__ import annotations

import msgspec
import pytest

from migrations.waves.adopting import needs_adopting
from migrations.waves.plan import (
    BATCHES_MAX,
    DATABASES_MAX,
    AllDone,
    Entry,
    Halt,
    Hold,
    Run,
    Wait,
    WaveOver,
    next_decision,
    next_part,
    next_size,
    wave_of,
)
from router.catalog.wave_words import EntryState, Place, Rules
from router.words import Tier

ONE_WAVE = Rules(percents=())


def place(schema: str, *, tier: Tier = Tier.SCHEMA, cluster: str = "shared-1") -> Place:
    return Place(cluster=cluster, database="shared", schema=schema, tier=tier)


def entry(
    schema: str, state: EntryState = EntryState.PENDING, *, wave: int = 1, job: int = 0
) -> Entry:
    return Entry(place=place(schema), wave=wave, to_do=("2",), state=state, job=job, error="why")


def test_places_that_lack_the_same_go_together() -> None:
    entries = [entry("a"), entry("b"), msgspec.structs.replace(entry("c"), to_do=("1", "2"))]
    decision = next_decision(entries, ONE_WAVE, wave=1, now_s=0)
    assert isinstance(decision, Run)
    assert [each.place.schema for each in decision.entries] == ["a", "b"]


def test_databases_of_one_tenant_each_are_gone_through_by_one_worker() -> None:
    shared = [entry("a"), entry("b")]
    own = [
        msgspec.structs.replace(each, place=msgspec.structs.replace(each.place, database=name))
        for each, name in ((entry("own"), f"d{number}") for number in range(DATABASES_MAX + 1))
    ]
    decision = next_decision([*own, *shared], ONE_WAVE, wave=1, now_s=0)
    assert isinstance(decision, Run)
    assert list(decision.entries) == own[:DATABASES_MAX]
    assert next_part(decision.entries, 25) == own[:1]
    decision = next_decision([*shared, *own], ONE_WAVE, wave=1, now_s=0)
    assert isinstance(decision, Run)
    assert list(decision.entries) == shared


def test_a_worker_takes_some_batches_of_a_database_and_leaves_the_others_theirs() -> None:
    entries = [entry(str(number)) for number in range(100)]
    for jobs, batch, taken in ((2, 25, 50), (1, 10, 10 * BATCHES_MAX), (50, 10, 10)):
        rules = msgspec.structs.replace(ONE_WAVE, jobs=jobs)
        decision = next_decision(entries, rules, wave=1, now_s=0, batch_places_max=batch)
        assert isinstance(decision, Run)
        assert list(decision.entries) == entries[:taken]
        assert next_part(decision.entries, batch) == entries[:batch]


def test_no_more_than_so_many_are_at_work_on_a_cluster() -> None:
    entries = [entry("a", EntryState.RUNNING, job=1), entry("b")]
    rules = msgspec.structs.replace(ONE_WAVE, jobs=1)
    assert next_decision(entries, rules, wave=1, now_s=0) == Wait()


def test_one_failure_too_many_halts_it() -> None:
    entries = [entry("a", EntryState.FAILED), entry("b")]
    assert isinstance(next_decision(entries, ONE_WAVE, wave=1, now_s=0), Halt)
    patient = msgspec.structs.replace(ONE_WAVE, halt_after=1)
    assert isinstance(next_decision(entries, patient, wave=1, now_s=0), Run)


def test_a_wave_waits_for_the_one_before() -> None:
    rules = Rules(percents=(50,))
    done, later = entry("a", EntryState.DONE), entry("b", wave=2)
    assert next_decision([done, later], rules, wave=1, now_s=0) == WaveOver()
    assert next_decision([entry("a", EntryState.RUNNING), later], rules, wave=1, now_s=0) == Wait()


def test_a_place_that_waits_holds_up_no_other_wave_but_the_last() -> None:
    rules = Rules(percents=(50,))
    waits = msgspec.structs.replace(entry("a"), waits_for="a move")
    done, last = entry("b", EntryState.DONE), entry("c", EntryState.DONE, wave=2)
    assert next_decision([waits, done, last], rules, wave=1, now_s=0) == WaveOver()
    assert next_decision([waits, done, last], rules, wave=2, now_s=0) == Hold(reason="a move")
    assert next_decision([waits, last], rules, wave=1, now_s=0) == Hold(reason="a move")


def test_a_migration_ends_when_all_is_done() -> None:
    entries = [entry("a", EntryState.DONE), entry("b", EntryState.SKIPPED)]
    assert next_decision(entries, ONE_WAVE, wave=1, now_s=0) == AllDone()


def test_canaries_come_first_and_shared_tables_last() -> None:
    canary = place("s_canary")
    rules = Rules(canaries=(canary,), percents=(99,))
    assert wave_of(canary, rules) == 1
    assert wave_of(place("shared", tier=Tier.ROWS), rules) == rules.waves == 3
    assert {wave_of(place(f"s_{n}"), rules) for n in range(50)} <= {2, 3}


@pytest.mark.parametrize(("size", "took_ms", "wanted"), [(25, 600, 2), (1, 1, 2), (20, 30, 25)])
def test_a_batch_is_as_large_as_its_tables_may_be_held(
    size: int, took_ms: int, wanted: int
) -> None:
    assert next_size(size, took_ms=took_ms) == wanted


@pytest.mark.parametrize(
    ("sql", "needed"),
    [
        ("ALTER TABLE artist ADD COLUMN born integer;", False),
        ("CREATE INDEX i ON artist (tenant_id, born);", False),
        ("CREATE TABLE band (tenant_id uuid);", True),
        ("ALTER TABLE artist ADD COLUMN n integer GENERATED BY DEFAULT AS IDENTITY;", True),
        ("ALTER TABLE artist ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES b (a);", True),
        ("CREATE VIEW v AS SELECT 1;", True),
    ],
)
def test_the_stored_form_is_completed_where_something_is_new(sql: str, *, needed: bool) -> None:
    assert needs_adopting(sql) is needed
