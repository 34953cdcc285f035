"""Work that failed: how operators find it, and how they have it tried again."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from deploy.operations import make_runner
from router.catalog import operations, tenants
from router.catalog.operations import Claim, NewOperation, Operation
from router.catalog.retrying import ELSEWHERE
from router.words import TenantStatus
from tests.gateways import Customer, GatewayWorld, expect, ops, sign_up

#: What may be begun again where it stopped; a new kind stands here or among those elsewhere.
RETRIED = {"provision", "export", "erase", "acceptance"}


@pytest.fixture(scope="module")
async def owner(made: GatewayWorld) -> AsyncIterator[Customer]:
    """Lend a tenant of the module's own, and end its work: no worker is to find it."""
    customer = await sign_up(made.client)
    yield customer
    async with made.platform.catalog.connection() as connection:
        await connection.execute(
            "UPDATE catalog.operation SET state = 'cancelled', finished_at = now(), "
            "lease_owner = NULL, lease_until = NULL WHERE tenant_id = $1 AND state <> 'cancelled'",
            customer.id,
        )


async def fail(
    made: GatewayWorld,
    customer: Customer,
    *,
    kind: str = "export",
    retry_after: timedelta | None = None,
) -> Operation:
    """Record work that failed: for good, or to be tried again."""
    claim = Claim(owner="a test", lease=timedelta(minutes=1))
    async with made.platform.catalog.transaction() as connection:
        wanted = NewOperation(kind=kind, tenant_id=customer.id)
        recorded = await operations.begin(connection, wanted)
        claimed = await operations.claim_this(connection, claim, recorded.id)
        assert claimed is not None
        return await operations.fail(
            connection, claimed, error="the disk is full", retry_after=retry_after
        )


async def listed(made: GatewayWorld, owner: Customer, asked: str) -> list[dict[str, Any]]:
    path = f"/api/ops/operations?tenant={owner.slug}&{asked}"
    items: list[dict[str, Any]] = expect(await made.client.get(path, headers=ops(None)), 200)[
        "items"
    ]
    return items


async def retry(made: GatewayWorld, operation_id: uuid.UUID, status: int) -> dict[str, Any]:
    path = f"/api/ops/operations/{operation_id}/retry"
    return expect(await made.client.post(path, headers=ops("there is room again")), status)


async def retries_told(made: GatewayWorld, owner: Customer) -> list[str]:
    path = f"/api/ops/audit?tenant={owner.slug}"
    trail = expect(await made.client.get(path, headers=ops(None)), 200)["items"]
    return [each["target"] for each in trail if each["action"] == "operation.retry"]


async def test_what_failed_is_found_by_its_state_and_paged(
    made: GatewayWorld, owner: Customer
) -> None:
    failed = await fail(made, owner)
    postponed = await fail(made, owner, retry_after=timedelta(hours=1))
    failing = await listed(made, owner, "failing=true")
    assert [each["id"] for each in failing] == [str(postponed.id), str(failed.id)]
    assert [each["can_retry"] for each in failing] == [True, True]
    assert failing[0]["tenant_slug"] == owner.slug
    assert failing[0]["error"] == "the disk is full"
    (only,) = await listed(made, owner, "state=failed&kind=export")
    assert only["id"] == str(failed.id)
    assert await listed(made, owner, "failing=true&kind=restore") == []
    assert {each["kind"] for each in await listed(made, owner, "state=done")} == {"provision"}
    first = await made.client.get(
        f"/api/ops/operations?tenant={owner.slug}&limit=1", headers=ops(None)
    )
    told = expect(first, 200)
    assert told["items"][0]["id"] == str(postponed.id)
    (second, *_) = await listed(made, owner, f"after={told['next']}")
    assert second["id"] == str(failed.id)


async def test_a_failed_one_begins_again_once_however_often_it_is_asked_for(
    made: GatewayWorld, owner: Customer
) -> None:
    failed = await fail(made, owner)
    for _ in range(2):
        told = await retry(made, failed.id, 202)
        assert (told["state"], told["attempts"], told["error"]) == ("waiting", 0, None)
    assert (await retries_told(made, owner)).count(str(failed.id)) == 1


async def test_one_that_waits_after_a_failure_waits_no_longer(
    made: GatewayWorld, owner: Customer
) -> None:
    postponed = await fail(made, owner, retry_after=timedelta(hours=1))
    told = await retry(made, postponed.id, 202)
    assert (told["state"], told["error"]) == ("waiting", "the disk is full")
    async with made.platform.catalog.connection() as connection:
        is_due = await connection.fetchval(
            "SELECT not_before <= now() FROM catalog.operation WHERE id = $1", postponed.id
        )
    assert is_due
    assert str(postponed.id) in await retries_told(made, owner)


@pytest.mark.parametrize("kind", sorted(ELSEWHERE))
async def test_what_is_begun_again_elsewhere_says_where(
    made: GatewayWorld, owner: Customer, kind: str
) -> None:
    failed = await fail(made, owner, kind=kind)
    (line, *_) = await listed(made, owner, f"state=failed&kind={kind}")
    assert line["can_retry"] is False
    told = await retry(made, failed.id, 409)
    assert ELSEWHERE[kind] in told["detail"]


async def test_what_ended_or_never_was_is_not_tried_again(
    made: GatewayWorld, owner: Customer
) -> None:
    (done, *_) = await listed(made, owner, "state=done")
    assert "nothing is left to do" in (await retry(made, uuid.UUID(done["id"]), 409))["detail"]
    await retry(made, uuid.uuid4(), 404)


async def test_nothing_is_done_for_a_tenant_that_is_erased(made: GatewayWorld) -> None:
    gone = await sign_up(made.client)
    failed = await fail(made, gone)
    async with made.platform.catalog.transaction() as connection:
        await tenants.set_status(connection, gone.id, TenantStatus.ERASED)
    assert "is erased" in (await retry(made, failed.id, 409))["detail"]


async def test_every_kind_that_a_worker_knows_is_retried_or_says_why_not(
    made: GatewayWorld,
) -> None:
    runner = make_runner(made.platform, CollectorRegistry())
    assert runner.kinds == RETRIED | set(ELSEWHERE)


@pytest.mark.parametrize(
    "asked", ["state=lost", "failing=perhaps", "after=1", "limit=0", "kind=%00", "tenant=%00"]
)
async def test_what_cannot_be_asked_is_refused(made: GatewayWorld, asked: str) -> None:
    answer = await made.client.get(f"/api/ops/operations?{asked}", headers=ops(None))
    assert answer.status_code in {400, 404, 422}, answer.text
