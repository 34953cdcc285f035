"""Two revisions at once: what both have is served everywhere, and what isn't there is said."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest_asyncio

from router.catalog.wave_words import MigrationState, Rules
from router.words import Tier
from tests.gateways import HEARD_S_MAX, expect, gateway_world, make_tenant
from tests.migrations.twofold.worlds import NEW, OLD, PRODUCT, Migrations

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from httpx import Response

    from tests.gateways import Customer, GatewayWorld
    from tests.worlds import Clusters

#: Tenants of the tier schema share these connections, whichever revision they are at.
NARROW = {"schema_subpools": 1, "schema_pool_size": 2, "rows_pool_size": 2}
#: What both revisions have.
PATHS = ("/books", "/titles")


class Library(msgspec.Struct, frozen=True, kw_only=True):
    """A gateway of the newest version, and tenants in each tier."""

    world: GatewayWorld
    rows: Customer
    first: Customer
    second: Customer
    alone: Customer

    @property
    def everybody(self) -> tuple[Customer, ...]:
        return (self.rows, self.first, self.second, self.alone)

    @property
    def migrations(self) -> Migrations:
        return Migrations(self.world.platform)

    async def get(self, customer: Customer, path: str) -> Response:
        return await self.world.client.get(path, headers=customer.headers)

    async def write(self, customer: Customer, title: str, path: str = "/books") -> Response:
        return await self.world.client.post(path, json={"title": title}, headers=customer.headers)

    async def until(self, customer: Customer, path: str, status: int) -> Response:
        """Wait until the gateway has heard at which revision the tenant's place is."""
        async with asyncio.timeout(HEARD_S_MAX):
            while (answer := await self.get(customer, path)).status_code != status:
                await asyncio.sleep(0.05)
        return answer

    async def alter(self, customer: Customer, statement: str) -> None:
        """Change a tenant's tables by hand, so that nobody is told."""
        place = await self.migrations.place_of(customer.slug)
        fleet = self.world.platform.fleet
        async with fleet.admin(place.cluster, place.database) as connection:
            await connection.execute(f'SET search_path = "{place.schema}"; {statement}')


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def library(clusters: Clusters) -> AsyncGenerator[Library]:
    async with gateway_world(clusters, product=PRODUCT, changes=NARROW) as world:
        made = Library(
            world=world,
            rows=await make_tenant(world, Tier.ROWS),
            first=await make_tenant(world, Tier.SCHEMA),
            second=await make_tenant(world, Tier.SCHEMA),
            alone=await make_tenant(world, Tier.DATABASE),
        )
        for customer in made.everybody:
            expect(await made.write(customer, "Emma"), 201)
        yield made


async def test_a_mistake_at_the_newest_revision_stays_a_mistake(library: Library) -> None:
    for customer in library.everybody:
        told = expect(await library.get(customer, "/mistake"), 500)
        assert told["code"] == "internal"


async def test_what_is_not_there_yet_is_said(library: Library) -> None:
    document = await library.migrations.run(to=OLD)
    assert document.state is MigrationState.DONE, document.error
    for customer in library.everybody:
        for path in ("/pages", "/shelves"):
            answer = await library.until(customer, path, 503)
            told = expect(answer, 503)
            assert told["code"] == "not_yet_migrated"
            assert OLD in told["detail"]
            assert NEW in told["detail"]
            assert int(answer.headers["Retry-After"]) >= 1
        assert expect_list(await library.get(customer, "/books")) == ["Emma"]
        assert expect_list(await library.get(customer, "/titles")) == ["Emma"]


async def test_neighbours_at_two_revisions_share_connections(library: Library) -> None:
    canary = await library.migrations.place_of(library.first.slug)
    document = await library.migrations.run(Rules(canaries=(canary,), wave_max=1), to=NEW)
    assert document.state is MigrationState.PAUSED, document.error
    # Only whoever believes the place to be at the newest revision calls this a mistake.
    await library.until(library.first, "/mistake", 500)
    volumes = [f"Volume {number}" for number in range(6)]
    for volume in volumes:
        for customer in (library.first, library.second):
            expect(await library.write(customer, volume, "/volumes"), 201)
    for customer in (library.first, library.second):
        for path in PATHS:
            assert expect_list(await library.get(customer, path)) == ["Emma", *volumes]
    assert (await library.get(library.first, "/pages")).status_code == 200
    assert (await library.get(library.second, "/pages")).status_code == 503


async def test_no_reader_notices_that_tables_change(library: Library) -> None:
    is_over = asyncio.Event()
    readers = [asyncio.create_task(read_on(library, each, is_over)) for each in library.everybody]
    document = await library.migrations.resume()
    for customer in library.everybody:
        await library.until(customer, "/shelves", 200)
    is_over.set()
    assert document.state is MigrationState.DONE, document.error
    for answers in await asyncio.gather(*readers):
        assert set(answers) == {200}


async def read_on(library: Library, customer: Customer, is_over: asyncio.Event) -> list[int]:
    answers: list[int] = []
    while not is_over.is_set() or not answers:
        answers += [(await library.get(customer, path)).status_code for path in PATHS]
    return answers


async def test_who_reads_tables_that_changed_unheard_is_served_all_the_same(
    library: Library,
) -> None:
    for customer in library.everybody:
        before = [(await library.get(customer, path)).json() for path in PATHS]
        await library.alter(customer, "ALTER TABLE book ALTER COLUMN title TYPE varchar(50)")
        assert [expect_list(await library.get(customer, path)) for path in PATHS] == before


async def test_a_stream_begins_again_while_that_loses_nothing(library: Library) -> None:
    for customer in library.everybody:
        before = (await library.get(customer, "/stream")).text
        assert before.splitlines() == expect_list(await library.get(customer, "/books"))
        expect_status(await library.get(customer, "/stream-behind"), 200)
        await library.alter(customer, "ALTER TABLE book ALTER COLUMN title TYPE varchar(55)")
        expect_status(await library.get(customer, "/stream-behind"), 503)
        assert (await library.get(customer, "/stream-behind")).text == before
        await library.alter(customer, "ALTER TABLE book ALTER COLUMN title TYPE text")
        assert (await library.get(customer, "/stream")).text == before


async def test_who_writes_tables_that_changed_unheard_begins_again_while_that_loses_nothing(
    library: Library,
) -> None:
    for customer in library.everybody:
        expect(await library.write(customer, "before"), 201)
        await library.alter(customer, "ALTER TABLE book ALTER COLUMN title TYPE text")
        expect(await library.write(customer, "at once"), 201)
        assert expect_list(await library.get(customer, "/books")).count("at once") == 1


async def test_who_had_begun_to_write_is_asked_to_try_again(library: Library) -> None:
    for customer in library.everybody:
        expect(await library.write(customer, "before", "/volumes"), 201)
        await library.alter(customer, "ALTER TABLE book ALTER COLUMN title TYPE varchar(60)")
        answer = await library.write(customer, "after", "/volumes")
        told = expect(answer, 503)
        assert (told["code"], answer.headers["Retry-After"]) == ("tables_changed", "1")
        expect(await library.write(customer, "after", "/volumes"), 201)
        assert expect_list(await library.get(customer, "/books")).count("after") == 1


def expect_status(answer: Response, status: int) -> None:
    assert answer.status_code == status, answer.text


def expect_list(answer: Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    told: list[str] = answer.json()
    return told
