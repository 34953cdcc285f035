from __future__ import annotations

import asyncio
import contextlib
from uuid import uuid4

import asyncpg
import pytest

from router.catalog import Catalog, claims, placements, plans, tenants
from router.catalog.tenants import TenantFilter
from router.connect import Connection
from router.errors import Conflict, NotFound, Unprocessable
from router.words import Isolation, Limits, Standing, TenantStatus, Tier
from tests.catalog.worlds import add_tenant, place, serve_domain


async def test_a_new_tenant_has_its_plans_limits_and_no_place(catalog: Catalog) -> None:
    async with catalog.transaction() as connection:
        made = await tenants.create(connection, slug="acme", name="  Acme Ltd ", plan="pro")
    assert (made.slug, made.name, made.status) == ("acme", "Acme Ltd", TenantStatus.PROVISIONING)
    assert made.placement is None
    assert made.tier is None
    assert made.isolation is Isolation.SHARED
    assert made.limits.api_calls_per_month == 100_000


async def test_an_enterprise_tenant_is_strict(catalog: Catalog) -> None:
    async with catalog.transaction() as connection:
        made = await tenants.create(connection, slug="bigcorp", name="Big", plan="enterprise")
    assert made.isolation is Isolation.STRICT


@pytest.mark.parametrize(
    "slug", ["ab", "Upper", "a--b", "-a-", "api", "a" * 41, "a b", "ä-b-c", ""]
)
async def test_a_slug_that_cannot_be_is_refused(catalog: Catalog, slug: str) -> None:
    async with catalog.transaction() as connection:
        with pytest.raises(Unprocessable):
            await tenants.create(connection, slug=slug, name="x", plan="starter")


async def test_a_slug_reserved_by_an_operator_says_why(catalog: Catalog) -> None:
    async with catalog.transaction() as connection:
        await tenants.reserve_slugs(connection, ["globex"], reason="a trade mark")
        with pytest.raises(Unprocessable, match="a trade mark"):
            await tenants.create(connection, slug="globex", name="x", plan="starter")


async def test_an_unknown_plan_names_the_plans_that_there_are(catalog: Catalog) -> None:
    async with catalog.transaction() as connection:
        with pytest.raises(Unprocessable, match="starter, pro, enterprise"):
            await tenants.create(connection, slug="unplanned", name="x", plan="gold")


@pytest.mark.parametrize("name", ["", "   ", "x" * 201, "a\nb", "a\x00b"])
async def test_a_name_that_nobody_could_read_is_refused(catalog: Catalog, name: str) -> None:
    async with catalog.transaction() as connection:
        with pytest.raises(Unprocessable):
            await tenants.create(connection, slug="unnamed", name=name, plan="starter")


async def test_fifty_claims_of_one_slug_have_one_winner(catalog: Catalog) -> None:
    async def claim() -> bool:
        try:
            async with catalog.transaction() as connection:
                await tenants.create(connection, slug="wanted", name="x", plan="starter")
        except Conflict:
            return False
        return True

    won = await asyncio.gather(*(claim() for _ in range(50)))
    assert won.count(True) == 1


async def test_an_old_slug_leads_to_its_tenant_and_nobody_else_can_take_it(
    catalog: Catalog,
) -> None:
    renamed = await add_tenant(catalog, "before")
    async with catalog.transaction() as connection:
        assert (await tenants.rename_slug(connection, renamed.id, "after")).slug == "after"
    async with catalog.connection() as connection:
        by_old = await tenants.find_by_slug(connection, "before")
        assert by_old is not None
        assert (by_old.id, by_old.slug) == (renamed.id, "after")
    with pytest.raises(Conflict, match="taken"):
        async with catalog.transaction() as connection:
            await tenants.create(connection, slug="before", name="x", plan="starter")
    other = await add_tenant(catalog, "other")
    with pytest.raises(Conflict, match="taken"):
        async with catalog.transaction() as connection:
            await tenants.rename_slug(connection, other.id, "before")
    async with catalog.transaction() as connection:
        back = await tenants.rename_slug(connection, renamed.id, "before")
    assert back.slug == "before"
    async with catalog.connection() as connection:
        assert (await tenants.get(connection, "other")).tenant.slug == "other"


async def test_a_tenant_is_found_by_slug_or_id_and_nothing_else(catalog: Catalog) -> None:
    made = await add_tenant(catalog, "findable")
    async with catalog.connection() as connection:
        assert (await tenants.get(connection, "findable")).tenant == made
        assert (await tenants.get(connection, str(made.id))).tenant == made
        for reference in ("unknown-slug", str(uuid4()), "' OR 1=1", "\x00", "x" * 10_000):
            with pytest.raises(NotFound):
                await tenants.get(connection, reference)


async def test_only_a_verified_domain_leads_to_a_tenant(catalog: Catalog) -> None:
    made = await add_tenant(catalog, "domained")
    async with catalog.transaction() as connection:
        await claims.claim(connection, made.id, "shop.example.com")
        assert await tenants.find_by_domain(connection, "shop.example.com") is None
        await serve_domain(connection, made.id, "shop.example.com")
        assert await tenants.find_by_domain(connection, "shop.example.com") == made
        await claims.remove(connection, made.id, "shop.example.com")
        assert await tenants.find_by_domain(connection, "shop.example.com") is None


async def test_an_erased_tenant_stays_erased(catalog: Catalog) -> None:
    made = await add_tenant(catalog, "erasable")
    async with catalog.transaction() as connection:
        await tenants.set_status(connection, made.id, TenantStatus.ERASED)
        with pytest.raises(Conflict, match="was erased"):
            await tenants.set_status(connection, made.id, TenantStatus.ACTIVE)
        with pytest.raises(NotFound):
            await tenants.set_status(connection, uuid4(), TenantStatus.ACTIVE)


async def test_a_pin_holds_with_its_reason_until_it_is_taken_away(catalog: Catalog) -> None:
    made = await add_tenant(catalog, "pinned")
    async with catalog.transaction() as connection:
        with pytest.raises(Unprocessable, match="reason"):
            await tenants.pin(connection, made.id, tier=Tier.SCHEMA, cluster=None, reason=" ")
        pinned = await tenants.pin(
            connection, made.id, tier=Tier.SCHEMA, cluster="shared-1", reason="contract 7"
        )
        assert pinned.pinned_tier is Tier.SCHEMA
        record = await tenants.get(connection, "pinned")
        assert (record.pinned_cluster, record.pin_reason) == ("shared-1", "contract 7")
        assert (await tenants.unpin(connection, made.id)).pinned_tier is None


async def test_lists_go_on_where_they_stopped(catalog: Catalog) -> None:
    for number in range(5):
        await add_tenant(catalog, f"listed-{number}")
    chosen = TenantFilter(search="LISTED-", plan="starter", tier=Tier.ROWS)
    seen: list[str] = []
    after: str | None = None
    async with catalog.connection() as connection:
        while True:
            page = await tenants.list_page(connection, chosen, after=after, items_max=2)
            seen += [record.tenant.slug for record in page.items]
            after = page.next
            if after is None:
                break
        none = await tenants.list_page(connection, TenantFilter(search="listed%"))
        assert none.items == ()
        for wanted, many in (
            (TenantFilter(search="listed-", cluster="elsewhere"), 0),
            (TenantFilter(search="listed-", standing=Standing.GRACE), 0),
            (TenantFilter(search="listed-", standing=Standing.GOOD), len(seen)),
        ):
            assert len((await tenants.list_page(connection, wanted)).items) == many
    assert seen == [f"listed-{number}" for number in range(5)]


async def test_a_tenant_keeps_the_limits_it_bought(catalog: Catalog) -> None:
    async with catalog.transaction() as connection:
        await plans.publish(connection, "trial", tier=Tier.ROWS, limits=Limits(seats=1))
        made = await tenants.create(connection, slug="early", name="Early", plan="trial")
        second = await plans.publish(connection, "trial", tier=Tier.ROWS, limits=Limits(seats=9))
        assert second.version == 2
        assert (await tenants.get_by_id(connection, made.id)).limits.seats == 1
        assert (await tenants.set_plan(connection, made.id, "trial")).limits.seats == 9
    with pytest.raises(asyncpg.CheckViolationError, match="publish the next one"):
        async with catalog.transaction() as connection:
            await connection.execute("UPDATE catalog.plan_version SET limits = '{}'")


async def test_an_epoch_grows_by_one_and_a_placement_is_never_deleted(catalog: Catalog) -> None:
    made = await add_tenant(catalog, "mover")
    async with catalog.transaction() as connection:
        await placements.record(connection, made.id, place())  # again: nothing happens
        await placements.record(connection, made.id, place(2, tier=Tier.SCHEMA))
    for epoch in (1, 2, 4, 99):
        with pytest.raises(Conflict, match="must have epoch 3"):
            async with catalog.transaction() as connection:
                await placements.record(connection, made.id, place(epoch))
    with pytest.raises(asyncpg.CheckViolationError, match="can't be deleted"):
        async with catalog.transaction() as connection:
            await connection.execute("DELETE FROM catalog.placement WHERE tenant_id = $1", made.id)
    new = await add_tenant(catalog, "newcomer")
    with pytest.raises(Conflict, match="must have epoch 2"):
        async with catalog.transaction() as connection:
            await placements.record(connection, new.id, place(3))


async def test_what_failed_inside_a_transaction_is_told_even_when_the_caller_went_on(
    catalog: Catalog,
) -> None:
    with pytest.raises(Conflict, match="nothing of it was kept"):
        async with catalog.transaction() as connection:
            await _fail_quietly(connection)


async def _fail_quietly(connection: Connection) -> None:
    with contextlib.suppress(asyncpg.DivisionByZeroError):
        await connection.execute("SELECT 1 / 0")
