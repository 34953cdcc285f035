"""A product's triggers are for what its customers do: a move writes rows that were there."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio

from migrations.product.write import write_revision
from router.catalog.operations import OperationState
from router.product import Product
from router.product.plug import accept
from router.words import Mode, Tier
from tests.promotion.leftovers import assert_nothing_left
from tests.promotion.notebook import TRIGGERS, metadata
from tests.promotion.trips import hub_of
from tests.worlds import scratch_database

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tests.promotion.trips import Hub, Trip
    from tests.worlds import Clusters

_MODULE = """
from router.product import Product
from tests.promotion.notebook import metadata

product = Product(name="notebook", metadata=metadata, routes=[], revisions={revisions!r})
"""
_REVISION = """
from alembic import op

revision = "0002"
down_revision = {after!r}
branch_labels = None
depends_on = None


def upgrade():
    op.execute({sql!r})
"""
_PRETEND = (
    "SELECT set_config('gate.stamp', overlay(current_setting('gate.stamp') PLACING 'm' FROM 41),"
    " true)"
)
_DEFINITIONS = """
SELECT t.tgname::text AS name, pg_get_triggerdef(t.oid) AS said, t.oid
FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE c.relnamespace = quote_ident($1)::regnamespace AND NOT t.tgisinternal
    AND t.tgname NOT LIKE 'stepwell%'
ORDER BY 1
"""
_ADOPT = (
    "BEGIN; SET LOCAL ROLE stepwell_owner;"
    " SELECT gate.adopt('{schema}', 'rows', '{grantee}'); COMMIT"
)
_DEEDS = "SELECT deed FROM journal ORDER BY journal_id"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def hub(clusters: Clusters, tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Hub]:
    """A platform whose product is that of notebook.py."""
    folder = Path(tmp_path_factory.mktemp("notebook"))
    revisions = str(folder / "revisions")
    product = Product(name="notebook", metadata=metadata, routes=[], revisions=revisions)
    loaded = accept(product, root=folder)
    async with scratch_database(clusters, loaded) as scratch:
        first = await write_revision(loaded, "tables", scratch=scratch)
    assert first is not None
    after = "_".join(first.path.name.split("_")[:2])
    written = _REVISION.format(after=after, sql=TRIGGERS.replace(":=", r"\:="))
    first.path.with_name("0002_triggers.py").write_text(written)
    (folder / "notebook_product_of_a_test.py").write_text(_MODULE.format(revisions=revisions))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(folder), *sys.path])
        importlib.invalidate_caches()
        async with hub_of(clusters, "notebook_product_of_a_test:product") as made:
            yield made
        sys.modules.pop("notebook_product_of_a_test")


async def deeds(trip: Trip) -> list[str]:
    async with trip.lease() as lease:
        return [row["deed"] for row in await lease.fetch(_DEEDS)]


class Customer:
    """Works without a pause, and counts how often."""

    def __init__(self, trip: Trip) -> None:
        self.trip = trip
        self.times = 0

    async def work(self) -> None:
        """Do what each of the triggers is there for."""
        name = f"note {self.times}"
        async with self.trip.lease() as lease:
            await lease.execute("INSERT INTO note (body) VALUES ($1), ('secret')", name)
            await lease.execute("UPDATE note SET body = body || '!' WHERE body = $1", name)
            await lease.execute("INSERT INTO note (body) VALUES ('to go')")
            await lease.execute("DELETE FROM note WHERE body = 'to go'")
        self.times += 1

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncGenerator[None]:
        """Go on until the block ends, and at least once."""
        times, is_over = self.times, asyncio.Event()

        async def go_on() -> None:
            while not is_over.is_set() or self.times == times:
                await self.work()
                await asyncio.sleep(0.02)

        task = asyncio.create_task(go_on())
        try:
            yield
        finally:
            is_over.set()
            await task


DEEDS_OF_WORK = (
    *["INSERT"] * 2,
    *["UPDATE", "DELETE"],
    *[" EXECUTE FUNCTION f() WHEN (x)"] * 2,
    *["end"] * 3,
)


async def test_triggers_work_for_customers_and_rest_for_moves(hub: Hub) -> None:
    trip = await hub.trip(rows=0)
    customer = Customer(trip)
    for tier, is_undone in (
        (Tier.SCHEMA, True),
        (Tier.SCHEMA, False),
        (Tier.ROWS, True),
        (Tier.DATABASE, False),
        (Tier.ROWS, False),
    ):
        async with customer.at_work():
            move = await trip.go(tier, "dedicated-1" if tier is Tier.DATABASE else "shared-1")
        if is_undone:
            async with customer.at_work():
                undone = await trip.undo(move.id)
            assert undone.state is OperationState.DONE, undone.error
        else:
            assert (await trip.settle(move.id)).error is None
            await assert_nothing_left(trip)
        assert Counter(await deeds(trip)) == Counter(DEEDS_OF_WORK * customer.times)


async def test_a_view_shows_a_customer_its_own_rows(hub: Hub) -> None:
    trip, other = await hub.trip(rows=0), await hub.trip(rows=0)
    await Customer(trip).work()
    for each, count in ((trip, len(DEEDS_OF_WORK)), (other, 0)):
        async with each.lease(Mode.READ) as lease:
            assert len(await lease.fetch("SELECT deed FROM deed_of_note")) == count


async def test_a_restored_row_is_what_it_was(hub: Hub) -> None:
    """Rows that the platform writes from an archive were touched before, and are not again."""
    trip, other = await hub.trip(rows=0), await hub.trip(rows=0)
    await Customer(trip).work()
    here, there = await trip.placement(), await other.placement()
    store = hub.platform.stores[Tier.ROWS]
    async with (
        store.rows(trip.tenant.id, here) as taken,
        store.rows(other.tenant.id, there) as given,
    ):
        for table in ("note", "journal"):
            await given.write(table, [row async for row in taken.read(table)])
    assert await other.digests() == await trip.digests()


async def test_a_customer_that_pretends_to_be_a_move_silences_no_trigger(hub: Hub) -> None:
    trip = await hub.trip(rows=0)
    lease = await hub.platform.dispatch.open(trip.tenant, Mode.WRITE)
    await lease.fetch(_PRETEND)
    with pytest.raises(asyncpg.PostgresError, match="not authentic"):
        await lease.execute("INSERT INTO note (body) VALUES ('unseen')")
    await lease.rollback()


async def test_triggers_are_adopted_once_and_keep_what_they_say(hub: Hub) -> None:
    trip = await hub.trip(rows=0)
    place = await trip.placement()
    async with trip.admin(place) as connection:
        before = await connection.fetch(_DEFINITIONS, place.schema)
        await connection.execute(_ADOPT.format(schema=place.schema, grantee="stepwell_rows"))
        assert await connection.fetch(_DEFINITIONS, place.schema) == before
    said = {row["name"]: row["said"] for row in before}
    assert set(said) == {"touch", "write 'it' down", "write_end_down", "once", "at_the_end"}
    assert all(each.count("gate.stamp") == 1 for each in said.values())
    assert "WHEN" in said["write 'it' down"]
    assert "new.body <> 'secret'" in said["write 'it' down"]
    assert "DEFERRABLE INITIALLY DEFERRED" in said["at_the_end"]
