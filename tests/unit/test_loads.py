"""What a gateway counts of its tenants, and what it tells of them."""

from __future__ import annotations

import uuid

from router.gateway.loads import Loads

MS = 1_000_000


def test_requests_of_a_tenant_are_added_up_and_told_once() -> None:
    loads, tenant_id = Loads(), uuid.uuid4()
    loads.note(tenant_id, 2 * MS, MS)
    loads.note(tenant_id, 3 * MS, 0)
    (told,) = loads.take()
    assert (told.tenant_id, told.requests, told.busy_ms, told.waiting_ms) == (tenant_id, 2, 5, 1)
    assert loads.take() == []


def test_of_many_tenants_those_are_told_that_are_first_by_any_measure() -> None:
    loads = Loads()
    busy, asking, waiting, quiet = (uuid.UUID(int=each) for each in range(4))
    loads.note(busy, 900 * MS, 0)
    for _ in range(3):
        loads.note(asking, MS, 0)
    loads.note(waiting, MS, 900 * MS)
    loads.note(quiet, MS, MS)
    assert [each.tenant_id for each in loads.take(told_max=1)] == [busy, asking, waiting]
