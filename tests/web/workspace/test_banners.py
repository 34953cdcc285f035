"""What is said on every page of a workspace, from its facts."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import msgspec
import pytest

from router.api.tenant import TenantWhole
from router.words import Limits, Standing, TenantStatus, Tier
from web.banners import banners

NOW = datetime(2026, 11, 11, 12, tzinfo=UTC)
TENANT = TenantWhole(
    id=uuid.uuid4(),
    slug="shop",
    name="Shop",
    status=TenantStatus.ACTIVE,
    plan="starter",
    tier=Tier.ROWS,
    epoch=1,
    standing=Standing.GOOD,
    standing_until=None,
    limits=Limits(api_calls_per_month=1_000, seats=5, storage_bytes=1_000_000_000),
    usage={"api_calls": 799, "storage_bytes": 799_999_999, "seats": 5},
    schema_revision=None,
    operation=None,
)


def told(**changes: object) -> list[tuple[str, bool]]:
    tenant = msgspec.structs.replace(TENANT, **changes)
    return [(each.said, each.is_bad) for each in banners(tenant, NOW)]


def test_nothing_is_said_while_there_is_nothing_to_say() -> None:
    assert told() == []
    assert told(usage=None) == []
    assert told(limits=Limits(), usage={"api_calls": 10**9}) == []


@pytest.mark.parametrize(
    ("used", "kind", "part"),
    [
        ({"api_calls": 800}, "warn", "800 of 1"),
        ({"api_calls": 999}, "warn", "999 of 1"),
        ({"api_calls": 1_000}, "bad", "count anew on 1 December 2026"),
        ({"storage_bytes": 800_000_000}, "warn", "800 MB of 1 GB"),
        ({"storage_bytes": 2_000_000_000}, "bad", "only reading and deleting goes on"),
    ],
)
def test_a_limit_is_told_at_eighty_and_at_a_hundred_percent(
    used: dict[str, int], kind: str, part: str
) -> None:
    ((said, is_bad),) = told(usage=used)
    assert part in said
    assert is_bad is (kind == "bad")


def test_what_is_due_is_told_with_its_day_and_the_gravest_comes_first() -> None:
    until = datetime(2026, 11, 20, tzinfo=UTC)
    ((said, is_bad),) = told(standing=Standing.GRACE, standing_until=until)
    assert "20 November 2026" in said
    assert not is_bad
    both = told(standing=Standing.READ_ONLY, usage={"api_calls": 900})
    assert [is_bad for _, is_bad in both] == [True, False]


@pytest.mark.parametrize("status", [each for each in TenantStatus if each != "erased"])
def test_a_workspace_that_answers_nothing_says_so(status: TenantStatus) -> None:
    assert bool(told(status=status)) is (status is not TenantStatus.ACTIVE)


def test_an_end_to_come_is_told_as_the_gravest() -> None:
    ends_at = datetime(2026, 11, 25, 8, tzinfo=UTC)
    said = told(ends_at=ends_at, usage={"api_calls": 900})
    assert "25 November 2026" in said[0][0] or "2026-11-25" in said[0][0]
    assert [is_bad for _, is_bad in said] == [True, False]
