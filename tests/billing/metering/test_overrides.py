"""Overrides lie over a plan's limits until they end, by hand or by the clock."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import pytest

from billing import overrides
from billing.overrides import Grant, LimitChanges, Override
from router.catalog import Catalog, audit, tenants
from router.errors import Conflict, NotFound, Unprocessable
from router.words import Limits, TenantId, TenantStatus
from tests.catalog.worlds import add_tenant


async def give(
    catalog: Catalog,
    tenant_id: TenantId,
    *,
    reason: str = "agreed by mail",
    expires_at: datetime | None = None,
    **limits: object,
) -> Override:
    grant = Grant(
        tenant_id=tenant_id,
        limits=overrides.read_limits(limits),
        reason=reason,
        made_by="operator:test",
        expires_at=expires_at,
    )
    async with catalog.transaction() as connection:
        return await overrides.give(connection, grant)


async def limits_of(catalog: Catalog, tenant_id: TenantId) -> Limits:
    async with catalog.connection() as connection:
        return (await tenants.get_by_id(connection, tenant_id)).limits


async def test_an_override_lies_over_the_plan_and_leaves_the_rest(catalog: Catalog) -> None:
    tenant = await add_tenant(catalog, "shop")
    await give(catalog, tenant.id, seats=80, storage_bytes=None, features=["own_server"])
    found = await limits_of(catalog, tenant.id)
    assert (found.seats, found.storage_bytes, found.features) == (80, None, ("own_server",))
    assert found.api_calls_per_month == tenant.limits.api_calls_per_month


async def test_the_later_of_two_overrides_holds_until_it_ends(catalog: Catalog) -> None:
    tenant = await add_tenant(catalog, "shop")
    first = await give(catalog, tenant.id, seats=80, api_calls_per_month=9)
    second = await give(catalog, tenant.id, seats=7)
    found = await limits_of(catalog, tenant.id)
    assert (found.seats, found.api_calls_per_month) == (7, 9)
    async with catalog.transaction() as connection:
        await overrides.end(connection, second.id)
    assert (await limits_of(catalog, tenant.id)).seats == 80
    async with catalog.transaction() as connection:
        with pytest.raises(NotFound, match="has ended"):
            await overrides.end(connection, second.id)
        listed = await overrides.list_all(connection, tenant.id)
        everything = await overrides.list_all(connection, tenant.id, with_ended=True)
    assert [each.id for each in listed] == [first.id]
    assert [each.id for each in everything] == [second.id, first.id]
    assert listed[0].limits == LimitChanges(seats=80, api_calls_per_month=9)


async def test_an_override_expires_by_itself_and_the_audit_says_so(catalog: Catalog) -> None:
    tenant = await add_tenant(catalog, "shop")
    soon = datetime.now(UTC) + timedelta(seconds=0.3)
    given = await give(catalog, tenant.id, seats=80, expires_at=soon)
    lasting = await give(catalog, tenant.id, storage_bytes=5)
    async with catalog.transaction() as connection:
        assert await overrides.end_expired(connection) == []
    await asyncio.sleep(0.4)
    # Even before anybody ends it, whoever looks anew doesn't see it any more.
    assert (await limits_of(catalog, tenant.id)).seats == tenant.limits.seats
    async with catalog.transaction() as connection:
        assert [each.id for each in await overrides.end_expired(connection)] == [given.id]
        assert await overrides.end_expired(connection) == []
        (entry,) = (await audit.list_page(connection, tenant_id=tenant.id)).items
        left = await overrides.list_all(connection, tenant.id)
    assert (entry.deed.action, entry.deed.target) == ("limits.expire", str(given.id))
    assert [each.id for each in left] == [lasting.id]


async def test_directories_hear_of_an_override_and_of_its_end(catalog: Catalog) -> None:
    tenant = await add_tenant(catalog, "shop")
    heard = asyncio.Queue[str]()

    def hear(_: object, pid: int, channel: str, payload: object) -> None:
        assert (channel, pid > 0) == ("stepwell_directory", True)
        heard.put_nowait(str(payload))

    listener = await catalog.listen()
    try:
        await listener.add_listener("stepwell_directory", hear)
        soon = datetime.now(UTC) + timedelta(seconds=0.2)
        await give(catalog, tenant.id, seats=80, expires_at=soon)
        assert str(tenant.id) in await asyncio.wait_for(heard.get(), 20)
        keeping = asyncio.ensure_future(overrides.keep_expiring(catalog))
        try:
            assert str(tenant.id) in await asyncio.wait_for(
                heard.get(), 20 + 3 * overrides.EXPIRE_S
            )
        finally:
            keeping.cancel()
    finally:
        listener.terminate()


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"seat": 5}, "there is no limit 'seat'; choose of api_calls_per_month, seats"),
        ({"seats": -1}, "seats"),
        ({"seats": "many"}, "seats"),
        ({"seats": 2**53}, "seats"),
        ({"statement_timeout_ms": None}, "statement_timeout_ms"),
        ({"statement_timeout_ms": 0}, "statement_timeout_ms"),
        ({"features": ["Own Server"]}, "features"),
    ],
)
def test_a_wrong_limit_is_named(limits: dict[str, object], said: str) -> None:
    with pytest.raises(Unprocessable) as caught:
        overrides.read_limits(limits)
    assert said in caught.value.detail


def test_every_limit_of_a_plan_can_be_overridden() -> None:
    assert LimitChanges.__struct_fields__ == Limits.__struct_fields__


async def test_an_override_needs_a_limit_a_reason_and_a_future(catalog: Catalog) -> None:
    tenant = await add_tenant(catalog, "shop")
    with pytest.raises(Unprocessable, match="needs a limit"):
        await give(catalog, tenant.id)
    with pytest.raises(Unprocessable, match="needs a reason"):
        await give(catalog, tenant.id, seats=5, reason="  ")
    with pytest.raises(Unprocessable, match="in the past"):
        await give(catalog, tenant.id, seats=5, expires_at=datetime.now(UTC))
    with pytest.raises(NotFound):
        await give(catalog, uuid.uuid4(), seats=5)
    async with catalog.transaction() as connection:
        await tenants.set_status(connection, tenant.id, TenantStatus.ERASED)
    with pytest.raises(Conflict, match="was erased"):
        await give(catalog, tenant.id, seats=5)
