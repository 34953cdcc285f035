from __future__ import annotations

import random
from uuid import UUID, uuid4

import msgspec
import pytest

from router.memory import Changes, Memory
from router.words import Isolation, Limits, Placement, Tenant, TenantStatus, Tier
from tests.catalog.worlds import place


def tenant(number: int, placement: Placement | None = None) -> Tenant:
    return Tenant(
        id=UUID(int=number),
        slug=f"tenant-{number}",
        name="Name",
        status=TenantStatus.ACTIVE,
        isolation=Isolation.SHARED,
        plan="starter",
        limits=Limits(),
        placement=placement,
    )


def test_what_changed_while_it_was_read_is_old() -> None:
    changes = Changes()
    changes.note("before")
    with changes.reading() as is_old:
        assert not is_old("before")
        changes.note("meanwhile")
        assert is_old("meanwhile")
        with changes.reading() as is_old_for_the_second:
            assert not is_old_for_the_second("meanwhile")
            changes.note("later")
            assert is_old("later")
            assert is_old_for_the_second("later")
        assert is_old("meanwhile")


def test_nothing_is_kept_of_changes_that_nobody_reads_through() -> None:
    changes = Changes()
    for _ in range(1_000):
        changes.note(uuid4())
    with changes.reading() as is_old:
        changes.note("a")
        assert is_old("a")
    with changes.reading() as is_old:
        assert not is_old("a")


def test_an_older_placement_is_never_believed() -> None:
    memory = Memory(entries_max=None)
    entry = memory.put(tenant(1, place(3)))
    memory.put(msgspec.structs.replace(tenant(1, place(2)), name="Newer name"))
    assert (entry.tenant.name, entry.tenant.placement) == ("Newer name", place(3))
    memory.learn(UUID(int=1), place(2))
    assert entry.tenant.placement == place(3)
    memory.learn(UUID(int=1), place(4, tier=Tier.SCHEMA))
    assert entry.tenant.placement == place(4, tier=Tier.SCHEMA)
    memory.learn(UUID(int=2), place(9))
    assert len(memory.by_id) == 1


@pytest.mark.parametrize("seed", range(5))
def test_every_name_leads_to_a_tenant_that_is_remembered(seed: int) -> None:
    chance = random.Random(seed)
    memory = Memory(entries_max=8)
    for _ in range(2_000):
        number = chance.randrange(20)
        match chance.randrange(5):
            case 0 | 1:
                entry = memory.put(tenant(number))
                memory.name_slug(entry, f"old-{number}")
            case 2:
                entry = memory.put(tenant(number))
                memory.name_domain(entry, f"d{chance.randrange(6)}.example.com")
            case 3:
                memory.forget([UUID(int=number)])
            case _:
                memory.forget_domain(f"d{chance.randrange(6)}.example.com")
        assert len(memory.by_id) <= 8
        remembered = {id(entry) for entry in memory.by_id.values()}
        for names in (memory.by_slug, memory.by_domain):
            assert {id(entry) for entry in names.values()} <= remembered


def test_who_is_asked_for_stays_and_who_is_not_goes() -> None:
    memory = Memory(entries_max=3)
    first, second, third = (memory.put(tenant(number)) for number in range(3))
    memory.put(tenant(3))
    assert UUID(int=0) not in memory.by_id
    second.is_used = True
    memory.put(tenant(4))
    assert UUID(int=1) in memory.by_id
    assert UUID(int=2) not in memory.by_id
    assert {first.tenant.slug, third.tenant.slug}.isdisjoint(memory.by_slug)
