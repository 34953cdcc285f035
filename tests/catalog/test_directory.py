from __future__ import annotations

import asyncio
import signal
import time
import tracemalloc
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from router.catalog import Catalog, claims, gate_keys, placements, plans, tenants
from router.connect import connect
from router.directory import Directory, DirectoryLimits
from router.errors import CatalogUnreachable, Misconfigured, Overloaded
from router.questions import QuestionLimits
from router.sealing import Sealer
from router.words import Limits, Tenant, TenantStatus, Tier
from tests.catalog.worlds import (
    SEALER,
    Server,
    add_cluster,
    add_tenant,
    catalog_on,
    place,
    serve_domain,
    server,
)

WHOLE = DirectoryLimits(whole=True)
#: What is unknown stays so for as long as a test lasts, unless there are news.
FEW = DirectoryLimits(whole=False, entries_max=3, questions=QuestionLimits(unknown_s_max=300.0))


@asynccontextmanager
async def directory(catalog: Catalog, limits: DirectoryLimits = WHOLE) -> AsyncGenerator[Directory]:
    made = Directory(catalog, SEALER, limits)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


async def until(holds: Callable[[], bool], *, limit_s: float = 20.0) -> float:
    """Wait for it, which takes some minutes without news; returns how long it was."""
    began_s = time.monotonic()
    deadline_s = began_s + limit_s
    while not holds():
        assert time.monotonic() < deadline_s, "the news didn't arrive in time"
        await asyncio.sleep(0.01)
    return time.monotonic() - began_s


async def until_named(known: Directory, tenant_id: UUID, name: str) -> None:
    await until(lambda: _get(known, tenant_id).name == name)


async def test_the_whole_catalog_is_known_at_start(catalog: Catalog) -> None:
    made = await add_tenant(catalog, "known")
    async with catalog.transaction() as connection:
        await tenants.rename_slug(connection, made.id, "known-now")
        await serve_domain(connection, made.id, "known.example.com")
    async with directory(catalog) as known:
        found = known.by_slug("known-now")
        assert found is not None
        assert found is known.by_slug("known")
        assert found is known.by_id(made.id)
        assert found is known.by_domain("known.example.com")
        assert known.gate_key_id() == 1
        assert known.plan("pro") is not None
        access = known.access("shared-1")
        assert access is not None
        assert access.admin == catalog.address


async def test_every_change_arrives_within_a_second(catalog: Catalog) -> None:
    async with directory(catalog) as known:
        made = await add_tenant(catalog, "fresh")
        took_s = [await until(lambda: known.by_slug("fresh") is not None)]
        async with catalog.transaction() as connection:
            await tenants.set_status(connection, made.id, TenantStatus.SUSPENDED)
        took_s.append(await until(lambda: _get(known, made.id).status is TenantStatus.SUSPENDED))
        async with catalog.transaction() as connection:
            await placements.record(connection, made.id, place(2, tier=Tier.SCHEMA))
        took_s.append(await until(lambda: _get(known, made.id).tier is Tier.SCHEMA))
        async with catalog.transaction() as connection:
            await tenants.rename_slug(connection, made.id, "fresher")
            await tenants.set_plan(connection, made.id, "pro")
        await until(lambda: known.by_slug("fresher") is not None)
        assert _get(known, made.id).limits.seats == 50
        assert known.by_slug("fresh") is known.by_slug("fresher")
    # The machine may have stood still during one of them.
    assert min(took_s) < 1


async def test_the_fleets_changes_arrive_at_once(catalog: Catalog) -> None:
    async with directory(catalog) as known:
        await add_cluster(catalog, "late-1")
        await until(lambda: known.access("late-1") is not None)
        async with catalog.transaction() as connection:
            await plans.publish(connection, "late", tier=Tier.ROWS, limits=Limits())
            key_id = await gate_keys.install(connection)
            assert await gate_keys.install(connection) == key_id
        await until(lambda: known.gate_keys().installing == key_id)
        assert known.plan("late") is not None
        async with catalog.transaction() as connection:
            await gate_keys.use(connection, key_id)
        await until(lambda: known.gate_key_id() == key_id)
        assert known.gate_keys().retiring == (1,)


async def test_a_domain_that_changes_hands_leads_to_its_new_tenant(catalog: Catalog) -> None:
    first = await add_tenant(catalog, "domain-first")
    second = await add_tenant(catalog, "domain-second")
    name = "hands.example.com"
    async with catalog.transaction() as connection:
        await serve_domain(connection, first.id, name)
    async with directory(catalog) as known:
        assert known.by_domain(name) == first
        async with catalog.transaction() as connection:
            await claims.remove(connection, first.id, name)
        await until(lambda: known.by_domain(name) is None)
        assert await known.resolve_domain(name) is None
        async with catalog.transaction() as connection:
            await serve_domain(connection, second.id, name)
        async with asyncio.timeout(20):
            while await known.resolve_domain(name) != second:
                await asyncio.sleep(0.01)


async def test_a_bounded_directory_keeps_those_asked_for_lately(catalog: Catalog) -> None:
    made = [await add_tenant(catalog, f"bounded-{number}") for number in range(5)]
    async with directory(catalog, FEW) as known:
        assert known.tenant_count == 0
        for tenant in made[:3]:
            assert await known.resolve_slug(tenant.slug) == tenant
        await known.resolve_id(made[3].id)
        assert known.tenant_count == 3
        assert known.by_slug(made[0].slug) is None
        known.by_slug(made[1].slug)
        await known.resolve_id(made[4].id)
        assert known.by_slug(made[1].slug) is not None
        assert known.by_id(made[2].id) is None
        async with catalog.transaction() as connection:
            await tenants.set_name(connection, made[1].id, "Renamed")
        await until(lambda: _get(known, made[1].id).name == "Renamed")


async def test_a_hundred_who_ask_for_one_tenant_ask_the_catalog_once(catalog: Catalog) -> None:
    made = await add_tenant(catalog, "popular")
    async with directory(catalog, FEW) as known:
        async with locked_tenants(catalog):
            questions = [asyncio.create_task(known.resolve_slug("popular")) for _ in range(100)]
            async with asyncio.timeout(20):
                while await _waiting(catalog) < 1:
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)
            assert await _waiting(catalog) == 1
        assert await asyncio.gather(*questions) == [made] * 100


async def test_a_flood_of_made_up_slugs_asks_four_at_once(catalog: Catalog) -> None:
    async with directory(catalog, FEW) as known:
        async with locked_tenants(catalog):
            questions = [
                asyncio.create_task(known.resolve_slug(f"made-up-{number}"))
                for number in range(600)
            ]
            async with asyncio.timeout(20):
                while await _waiting(catalog) < 4:
                    await asyncio.sleep(0.02)
            await asyncio.sleep(0.3)
            assert await _waiting(catalog) == 4
        answers = await asyncio.gather(*questions, return_exceptions=True)
    assert answers.count(None) == 500
    assert sum(isinstance(answer, Overloaded) for answer in answers) == 100


async def test_one_who_gives_up_takes_the_answer_from_nobody(catalog: Catalog) -> None:
    made = await add_tenant(catalog, "patient")
    async with directory(catalog, FEW) as known:
        hasty = asyncio.create_task(known.resolve_slug("patient"))
        patient = asyncio.create_task(known.resolve_slug("patient"))
        await asyncio.sleep(0)
        hasty.cancel()
        assert await patient == made


async def test_an_unknown_slug_is_asked_for_once_until_it_is_made(catalog: Catalog) -> None:
    async with directory(catalog, FEW) as known:
        assert await known.resolve_slug("not-yet") is None
        async with locked_tenants(catalog), asyncio.timeout(20):
            for _ in range(200):
                assert await known.resolve_slug("not-yet") is None
        made = await add_tenant(catalog, "not-yet")
        async with asyncio.timeout(20):
            while await known.resolve_slug("not-yet") != made:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", ["", "A", "x" * 300, "a.b", "\x00", "ü", "' OR 1=1 --", "-"])
async def test_a_name_that_cannot_be_is_unknown_without_a_question(
    catalog: Catalog, name: str
) -> None:
    known = Directory(catalog, SEALER, FEW)
    assert await known.resolve_slug(name) is None


async def test_a_gate_that_knows_better_is_believed_until_the_catalog_is_newer(
    catalog: Catalog,
) -> None:
    made = await add_tenant(catalog, "learned")
    async with directory(catalog) as known:
        known.learn(made.id, place(2, tier=Tier.DATABASE))
        assert _get(known, made.id).tier is Tier.DATABASE
        refreshed = await known.refresh(made.id)
        assert refreshed is not None
        assert refreshed.tier is Tier.DATABASE
        known.learn(made.id, place(1))
        known.learn(uuid4(), place(1))
        assert _get(known, made.id).tier is Tier.DATABASE
        async with catalog.transaction() as connection:
            await placements.record(connection, made.id, place(2, tier=Tier.SCHEMA))
        await until(lambda: _get(known, made.id).tier is Tier.SCHEMA)


async def test_a_killed_catalog_stops_nobody_who_is_known(tmp_path: Path) -> None:
    async with server(tmp_path) as running, catalog_on(running) as catalog:
        await add_cluster(catalog)
        known_tenant = await add_tenant(catalog, "survivor")
        other = await add_tenant(catalog, "stranger")
        quick = DirectoryLimits(whole=False, questions=QuestionLimits(unknown_s_max=0.1))
        async with directory(catalog, quick) as known:
            await known.resolve_slug("survivor")
            await running.stop(signal.SIGQUIT)
            await until(lambda: not known.is_live)
            assert known.by_slug("survivor") == known_tenant
            assert await known.resolve_slug("survivor") == known_tenant
            with pytest.raises(CatalogUnreachable) as silent:
                await known.resolve_slug("stranger")
            assert silent.value.retry_after_s
            await running.start()
            async with catalog.transaction() as connection:
                await tenants.set_name(connection, known_tenant.id, "Changed in the gap")
            await until(lambda: known.is_live)
            await until(lambda: _get(known, known_tenant.id).name == "Changed in the gap")
            assert await known.resolve_slug("stranger") == other


async def test_a_directory_starts_without_its_catalog_and_learns_it_later(tmp_path: Path) -> None:
    async with server(tmp_path) as running, catalog_on(running) as catalog:
        await add_cluster(catalog)
        made = await add_tenant(catalog, "later")
        await running.stop()
        async with directory(catalog) as known:
            assert not known.is_live
            with pytest.raises(CatalogUnreachable):
                known.gate_key_id()
            with pytest.raises(CatalogUnreachable):
                await known.resolve_id(made.id)
            await running.start()
            await until(lambda: known.is_live)
            assert known.by_slug("later") == made


async def test_news_lost_in_a_gap_are_read_afterwards(catalog: Catalog) -> None:
    made = await add_tenant(catalog, "gapped")
    async with directory(catalog) as known:
        async with catalog.transaction() as connection:
            await connection.execute("ALTER TABLE catalog.tenant DISABLE TRIGGER tenant_news")
            await tenants.set_name(connection, made.id, "Unheard")
            await connection.execute("ALTER TABLE catalog.tenant ENABLE TRIGGER tenant_news")
        await asyncio.sleep(0.2)
        assert _get(known, made.id).name == "Gapped"
        async with catalog.connection() as connection:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'stepwell listener' AND datname = current_database()"
            )
        await until(lambda: _get(known, made.id).name == "Unheard")


async def test_the_time_limit_repairs_what_no_news_told(catalog: Catalog) -> None:
    made = await add_tenant(catalog, "timed")
    async with directory(catalog, DirectoryLimits(time_limit_s=0.3)) as known:
        async with catalog.transaction() as connection:
            await connection.execute("ALTER TABLE catalog.tenant DISABLE TRIGGER tenant_news")
            await tenants.set_name(connection, made.id, "Unheard")
            await connection.execute("ALTER TABLE catalog.tenant ENABLE TRIGGER tenant_news")
        await until(lambda: _get(known, made.id).name == "Unheard")


async def test_a_change_during_a_question_is_not_missed(catalog: Catalog) -> None:
    made = await add_tenant(catalog, "racing")
    async with directory(catalog, FEW) as known:
        for number in range(20):
            question = asyncio.create_task(known.resolve_id(made.id))
            async with catalog.transaction() as connection:
                await tenants.set_name(connection, made.id, f"Name {number}")
            await question
            await until_named(known, made.id, f"Name {number}")


async def test_another_secret_key_is_named_at_start(catalog: Catalog) -> None:
    wrong = Directory(catalog, Sealer([b"w" * 32]), WHOLE)
    with pytest.raises(Misconfigured, match="another SECRET_KEY"):
        await wrong.start()


async def test_a_catalog_without_tables_says_what_to_do(running: Server) -> None:
    empty = Catalog(running.address("postgres"))
    with pytest.raises(Misconfigured, match="stepwell migrate catalog"):
        await Directory(empty, SEALER, WHOLE).start()
    await empty.close()


async def test_nonsense_on_the_channel_is_survived(catalog: Catalog) -> None:
    connection = await connect(catalog.address, purpose="test")
    async with directory(catalog) as known:
        for payload in ("", "nonsense", '{"kind": "tenant", "id": "x"}', '{"kind": 1}', "[]"):
            await connection.execute("SELECT pg_notify('stepwell_directory', $1)", payload)
        await add_tenant(catalog, "sane")
        await until(lambda: known.by_slug("sane") is not None)
    await connection.close()


async def test_a_look_up_takes_a_microsecond_or_so(catalog: Catalog) -> None:
    made = await add_tenant(catalog, "quick")
    async with directory(catalog) as known:
        rounds = 20_000
        look_ups: list[Callable[[], Tenant | None]] = [
            lambda: known.by_slug("quick"),
            lambda: known.by_id(made.id),
        ]
        for look_up in look_ups:
            started_s = time.perf_counter()
            for _ in range(rounds):
                look_up()
            assert (time.perf_counter() - started_s) / rounds < 5e-6


async def test_a_thousand_tenants_take_less_than_two_kilobytes_each(running: Server) -> None:
    async with catalog_on(running) as catalog:
        await add_cluster(catalog)
        async with catalog.transaction() as connection:
            await connection.execute((Path(__file__).parent / "thousand.sql").read_text())
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            async with directory(catalog) as known:
                used = tracemalloc.get_traced_memory()[0] - before
                assert known.tenant_count == 1_000
                assert used / 1_000 < 2_000
        finally:
            tracemalloc.stop()


def _get(known: Directory, tenant_id: UUID) -> Tenant:
    tenant = known.by_id(tenant_id)
    assert tenant is not None
    return tenant


@asynccontextmanager
async def locked_tenants(catalog: Catalog) -> AsyncGenerator[None]:
    """Let every question about a tenant wait, so that it can be counted."""
    connection = await connect(catalog.address, purpose="test")
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE catalog.tenant IN ACCESS EXCLUSIVE MODE")
            yield
    finally:
        await connection.close()


async def _waiting(catalog: Catalog) -> int:
    connection = await connect(catalog.address, purpose="test")
    try:
        return int(
            await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )
    finally:
        await connection.close()
