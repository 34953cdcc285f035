"""What a copy did without comes back as it was; rows that are merged come all or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest
import pytest_asyncio

from promotion import indexes
from promotion.shape import fingerprint
from router.catalog.operations import Superseded
from router.errors import Conflict
from router.names import quote
from router.sql import load
from router.words import Tier
from tests.promotion.scenes import Scene, fill, odd_world, scene, viewed, written

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from promotion.landing import Rebuild
    from promotion.side import Side
    from tests.worlds import Clusters, World

DETAILS = load("tests.promotion", "details.sql")
PRODUCT_SQL = """
    CREATE VIEW {schema}.labels WITH (security_invoker) AS
        SELECT n.label, count(p.part_id) FROM {schema}.node AS n
        LEFT JOIN {schema}.part AS p USING (tenant_id, node_id) GROUP BY n.tenant_id, n.node_id;
    CREATE FUNCTION {schema}.shout() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN NEW.label := upper(NEW.label); RETURN NEW; END';
    CREATE TRIGGER shouts BEFORE INSERT OR UPDATE ON {schema}.node
        FOR EACH ROW EXECUTE FUNCTION {schema}.shout();
    CREATE TRIGGER sleeps BEFORE INSERT ON {schema}.node
        FOR EACH ROW EXECUTE FUNCTION {schema}.shout();
    ALTER TABLE {schema}.node DISABLE TRIGGER sleeps;
    CREATE INDEX by_length ON {schema}.node (length(label)) INCLUDE (position)
        WITH (fillfactor = 70) WHERE position > 3;
    CREATE INDEX by_moods ON {schema}.word USING gin (document jsonb_path_ops);
    ALTER TABLE {schema}.part ADD CONSTRAINT one_at_a_time
        EXCLUDE USING btree (tenant_id WITH =, part_id WITH =) WHERE (part_id > 2)
"""


class Stop(Exception):
    """What a test stops a build with."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def odd(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[World]:
    async with odd_world(clusters, tmp_path_factory.mktemp("odd")) as built:
        yield built


async def details(side: Side) -> list[tuple[str, ...]]:
    """Everything that PostgreSQL knows of rules, indexes, triggers and row security, with names."""
    async with side.connection() as connection:
        return [tuple(row) for row in await connection.fetch(DETAILS["details"], side.schema)]


async def make_first(made: Scene) -> None:
    """Make the private tables with more in them than models can say, before they are landed."""
    await made.make()
    statement = PRODUCT_SQL.replace("{schema}", quote(made.target.schema))
    async with made.target.connection() as connection:
        await connection.execute(f"SET ROLE stepwell_owner; {statement}")


async def test_nothing_that_slows_a_copy_down_is_left(odd: World) -> None:
    async with scene(odd) as made:
        await make_first(made)
        before = await details(made.target)
        await made.land()
        after = await details(made.target)
        bare = {(kind, name) for kind, _, name, _ in after}
        assert {state for kind, _, _, state in after if kind == "trigger"} == {"off"}
        assert {kind for kind, *_ in before} == {"rule", "index", "trigger", "row security"}
        # The view needs its table's key; a check costs a copy next to nothing.
        assert bare == {
            ("rule", "node_pkey"),
            ("index", "node_pkey"),
            *((kind, name) for kind, _, name, _ in before if kind == "trigger"),
        }


async def test_everything_is_as_it_was_when_it_is_built(odd: World) -> None:
    async with scene(odd) as made:
        await make_first(made)
        before = await details(made.target)
        landing = await made.land()
        await made.copy()
        built = await made.build()
        assert await details(made.target) == before
        assert await made.differing() == [], "no trigger of the product changed what was copied"
        assert tuple(built) == landing.rebuilds
        assert await made.build() == []
        async with viewed(made.target) as view:
            seen = await fingerprint(view.connection, made.target.schema, made.shape)
        assert seen == landing.fingerprint


async def test_landing_twice_is_landing_once(odd: World) -> None:
    async with scene(odd) as made:
        first = await made.land()
        assert await made.land() == first
        await made.copy()
        await made.build()
        assert await made.land() == first, "and takes nothing off again"
        assert len(await details(made.target)) > 20


async def test_primary_keys_come_first_and_references_after_indexes(odd: World) -> None:
    async with scene(odd) as made:
        await made.land()
        await made.copy()
        kinds = [rebuild.kind for rebuild in await made.build()]
    assert list(dict.fromkeys(kinds)) == [
        "primary key",
        "index",
        "foreign key",
        "statistics",
        "row security",
        "trigger",
    ]


async def test_a_build_goes_on_wherever_it_was_stopped(odd: World) -> None:
    async with scene(odd) as made:
        landing = await made.land()
        await made.copy()
        built: list[Rebuild] = []

        async def stop(rebuild: Rebuild) -> None:
            built.append(rebuild)
            raise Stop

        async with made.target.connection() as connection:
            for build, last in (
                (indexes.build_primary_keys, "primary key"),
                (indexes.build_rest, ""),
            ):
                while [each.kind for each in built[-1:]] != [last] or last:
                    before = len(built)
                    try:
                        await build(
                            connection,
                            made.target,
                            made.mover,
                            effort=indexes.Effort(),
                            after_each=stop,
                        )
                    except Stop:
                        continue
                    assert len(built) == before
                    break
        assert tuple(built) == landing.rebuilds
        assert await made.differing() == []


async def test_a_mover_that_was_succeeded_builds_nothing(odd: World) -> None:
    async with scene(odd) as made:
        await made.land()
        await made.copy()
        async with odd.admin() as connection:
            await connection.execute(
                "UPDATE gate.move SET token = 2 WHERE move_id = $1", made.mover.move_id
            )
        bare = await details(made.target)
        with pytest.raises(Superseded):
            await made.build()
        assert await details(made.target) == bare


async def test_rows_that_break_a_rule_stop_the_build_and_nothing_is_lost(odd: World) -> None:
    async with scene(odd) as made:
        await made.land()
        await made.copy()
        async with written(made.target) as connection:
            await connection.execute("INSERT INTO part (part_id, node_id) VALUES (7000, 8000)")
        with pytest.raises(asyncpg.ForeignKeyViolationError, match="part_tenant_id_node_id_fkey"):
            await made.build()
        async with written(made.target) as connection:
            await connection.execute("DELETE FROM part WHERE part_id = 7000")
        await made.build()
        assert await made.differing() == []


@pytest.mark.parametrize("source", [Tier.SCHEMA, Tier.DATABASE], ids=lambda tier: tier.value)
async def test_landed_rows_are_merged_among_those_of_others(odd: World, source: Tier) -> None:
    async with scene(odd, Tier.ROWS, rows=30) as other, scene(odd, source, Tier.ROWS) as made:
        await made.land()
        await made.copy()
        await made.build()
        counts = await made.merge()
        assert counts["node"] == counts["part"] == 50
        assert await made.differing(made.shared) == []
        assert await made.merge() == counts, "once more changes nothing"
        assert await made.differing(made.shared) == []
        async with viewed(other.source) as view:
            assert await view.connection.fetchval("SELECT count(*) FROM node") == 30


async def test_what_an_earlier_attempt_merged_is_replaced(odd: World) -> None:
    async with scene(odd, Tier.SCHEMA, Tier.ROWS) as made:
        assert made.shared is not None
        await fill(made.shared, 70)
        await made.land()
        await made.copy()
        await made.merge()
        assert await made.differing(made.shared) == []


async def test_rows_that_do_not_agree_are_not_merged_at_all(odd: World) -> None:
    async with scene(odd, Tier.SCHEMA, Tier.ROWS) as made:
        await made.land()
        await made.copy()
        async with written(made.target) as connection:
            await connection.execute("DELETE FROM node WHERE node_id = 1")
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await made.merge()
        assert made.shared is not None
        async with viewed(made.shared) as view:
            assert await view.connection.fetchval("SELECT count(*) FROM word") == 0


async def test_nothing_is_merged_over_the_rows_of_a_tenant_that_is_served_there(
    odd: World,
) -> None:
    async with scene(odd, Tier.SCHEMA, Tier.ROWS) as made:
        await made.land()
        await made.copy()
        async with odd.admin() as connection:
            await connection.execute(
                "UPDATE gate.home SET schema_name = 'shared' WHERE tenant_id = $1",
                made.source.tenant_id,
            )
        with pytest.raises(Conflict, match="served from shared"):
            await made.merge()
