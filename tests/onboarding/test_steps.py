"""What an onboarding lacks, as a pure decision."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime

import msgspec
import pytest

from router.catalog.onboarding_facts import Thresholds
from router.catalog.onboarding_steps import Facts, next_stage, previous_stage
from router.catalog.onboarding_words import (
    STAGES,
    Approval,
    Data,
    Document,
    Onboarding,
    Parties,
    Place,
    PlaceKind,
    Source,
    Stage,
    Terms,
)
from router.words import Tier

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WHOLE = Document(
    parties=Parties(
        legal_name="Acme", address="Wien", owner_email="a@a.example", billing_email="b@a.example"
    ),
    terms=Terms(starts_on=date(2026, 1, 1), ends_on=date(2027, 1, 1), seats=5, amount=0),
    place=Place(cluster="dedicated-1"),
    data=Data(workspace="acme"),
)
READY = Facts(tenant_at=(Tier.DATABASE, "dedicated-1"), is_served=True, has_receipt=True)


def at(stage: Stage, document: Document = WHOLE) -> Onboarding:
    return Onboarding(
        id=uuid.UUID(int=1),
        name="Acme",
        stage=stage,
        owner="s@s.example",
        due_on=date(2026, 6, 1),
        document=document,
        secret=None,
        tenant_id=None,
        version=1,
        created_by="operator:s",
        created_at=NOW,
        changed_by="operator:s",
        changed_at=NOW,
    )


def lacks(stage: Stage, facts: Facts = READY, document: Document = WHOLE) -> list[str]:
    return [each.field for each in next_stage(at(stage, document), facts).missing]


@pytest.mark.parametrize("stage", STAGES[:-1])
def test_a_whole_one_lacks_nothing_and_goes_one_stage_on(stage: Stage) -> None:
    ahead = next_stage(at(stage), READY)
    assert (ahead.missing, ahead.stage) == ((), STAGES[STAGES.index(stage) + 1])


@pytest.mark.parametrize("stage", [Stage.LIVE, Stage.CLOSED])
def test_what_has_ended_goes_nowhere(stage: Stage) -> None:
    assert next_stage(at(stage), Facts()).stage is None
    assert previous_stage(stage) is None


def test_an_empty_one_lacks_everything_but_what_has_a_default() -> None:
    empty = Document()
    assert lacks(Stage.CONTRACT, document=empty) == ["starts_on", "ends_on", "seats", "amount"]
    own = Document(place=Place(kind=PlaceKind.OWN, cluster="own"))
    fields = ["region", "host", "user", "certificates", "password", "approval"]
    assert lacks(Stage.PROVISIONING, document=own) == fields
    registered = msgspec.structs.replace(READY, is_registered=True)
    assert lacks(Stage.PROVISIONING, registered, own) == []


def test_a_contract_ends_after_it_begins() -> None:
    terms = msgspec.structs.replace(WHOLE.terms, ends_on=WHOLE.terms.starts_on)
    document = msgspec.structs.replace(WHOLE, terms=terms)
    assert lacks(Stage.CONTRACT, document=document) == ["ends_on"]


@pytest.mark.parametrize("day", [date(2026, 5, 1), date(2199, 12, 31), date(9999, 12, 31)])
def test_a_contract_ends_some_day_from_now_on(day: date) -> None:
    terms = msgspec.structs.replace(WHOLE.terms, ends_on=day)
    facts = msgspec.structs.replace(READY, today=date(2026, 5, 1))
    wrong = [] if day.year == 2199 else ["ends_on"]
    assert lacks(Stage.CONTRACT, facts, msgspec.structs.replace(WHOLE, terms=terms)) == wrong


def test_a_server_of_the_customers_own_is_seen_by_two() -> None:
    place = Place(
        kind=PlaceKind.OWN, cluster="acme", region="x", host="db.x.com", user="u", certificates="c"
    )
    own = msgspec.structs.replace(WHOLE, place=place)
    given = msgspec.structs.replace(READY, has_secret=True)
    assert lacks(Stage.PROVISIONING, given, own) == ["approval"]
    seen = msgspec.structs.replace(own, place_approval=Approval(by="operator:b", at=NOW))
    assert lacks(Stage.PROVISIONING, given, seen) == []


def test_an_approval_is_asked_for_until_it_is_there() -> None:
    facts = msgspec.structs.replace(READY, needs_approval=True)
    assert lacks(Stage.CONTRACT, facts) == ["approval"]
    approved = msgspec.structs.replace(WHOLE, approval=Approval(by="operator:b", at=NOW))
    assert lacks(Stage.CONTRACT, facts, approved) == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (Facts(), "begin"),
        (Facts(source_says="there is no such workspace"), "there is no such workspace"),
        (Facts(tenant_at=(Tier.ROWS, "shared-1"), is_served=True, is_moving=True), "on its way"),
        (Facts(tenant_at=(Tier.DATABASE, "other"), is_served=True), "begin again"),
        (Facts(tenant_at=(Tier.ROWS, "shared-1"), is_served=True), "begin again"),
        (Facts(is_moving=True), "on its way"),
        (Facts(tenant_at=(Tier.DATABASE, "dedicated-1")), "isn't served"),
        (Facts(trouble="the disk is full"), "the disk is full"),
    ],
)
def test_data_says_what_it_waits_for(facts: Facts, said: str) -> None:
    (missing,) = next_stage(at(Stage.DATA), facts).missing
    assert missing.field == "workspace"
    assert said in missing.says


@pytest.mark.parametrize(
    ("source", "field"),
    [(Source.WORKSPACE, "workspace"), (Source.NEW, "slug"), (Source.ARCHIVE, "archive")],
)
def test_what_is_wrong_with_a_source_stands_beside_it(source: Source, field: str) -> None:
    document = msgspec.structs.replace(WHOLE, data=Data(source=source))
    assert lacks(Stage.DATA, Facts(source_says="no"), document) == [field]


@pytest.mark.parametrize(
    "facts",
    [
        msgspec.structs.replace(READY, has_receipt=None),
        msgspec.structs.replace(READY, has_receipt=False),
        msgspec.structs.replace(READY, is_checking=True),
        msgspec.structs.replace(READY, is_served=False),
    ],
)
def test_nobody_goes_live_without_a_sheet_that_passed(facts: Facts) -> None:
    assert lacks(Stage.ACCEPTANCE, facts) == ["sheet"]


def test_two_people_agree_what_is_dear_or_large() -> None:
    thresholds = Thresholds(amount_max=100_000, seats_max=50)
    assert not thresholds.ask_for_two(Terms(amount=100_000, seats=50))
    assert thresholds.ask_for_two(Terms(amount=100_001))
    assert thresholds.ask_for_two(Terms(seats=51))
    assert thresholds.ask_for_two(Terms(amount=10_000, interval="month"))
    assert not thresholds.ask_for_two(Terms())
