"""Rounds over real tables: whatever a tenant does to its rows, the target becomes the source."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from promotion import capture
from promotion.applying import RowsDiffer
from promotion.reading import TooManyChanges, read_changes
from promotion.shape import Shape, ShapeDiffers
from router.catalog.operations import Superseded
from router.sql import load
from router.words import Tier
from tests.promotion.deeds import do, draw_deeds
from tests.promotion.following import Chase, chase, knots_world
from tests.promotion.knots import Mood

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from router.connect import Connection
    from tests.worlds import Clusters, World

#: A server answers when it can, and one world serves all examples.
_PATIENT = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
#: What takes every rule but the primary keys off a schema's tables, and their triggers.
_LAY_BARE = """
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
    FROM pg_constraint WHERE connamespace = $1::text::regnamespace AND contype = 'f'
    UNION ALL
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', conrelid::regclass, conname)
    FROM pg_constraint WHERE connamespace = $1::text::regnamespace AND contype = 'u'
    UNION ALL
    SELECT format('DROP INDEX %s', indexrelid::regclass)
    FROM pg_index JOIN pg_class AS c ON c.oid = indexrelid
    WHERE c.relnamespace = $1::text::regnamespace AND NOT EXISTS (
        SELECT FROM pg_constraint WHERE conindid = indexrelid)
"""
#: A rule of the target's own, which spoils what is written there.
_PLANT = """
    CREATE FUNCTION {}.spoil() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN NEW.name := upper(NEW.name); RETURN NEW; END';
    CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON {}.team
    FOR EACH ROW EXECUTE FUNCTION {}.spoil();
    GRANT EXECUTE ON FUNCTION {}.spoil() TO stepwell_owner
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[World]:
    async with knots_world(clusters, tmp_path_factory.mktemp("knots")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def typed(world: World) -> AsyncGenerator[Chase]:
    """One tenant for many examples: each deletes what the one before has left."""
    async with chase(world, Tier.ROWS, Tier.DATABASE) as run:
        yield run


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (Tier.ROWS, Tier.SCHEMA),
        (Tier.SCHEMA, Tier.DATABASE),
        (Tier.DATABASE, Tier.ROWS),
        (Tier.ROWS, Tier.DATABASE),
    ],
)
async def test_what_changed_is_at_the_target_after_a_round(
    world: World, source: Tier, target: Tier
) -> None:
    async with chase(world, source, target) as run:
        await run.write("INSERT INTO label (code, rank) VALUES ('red', 1), ('blue', 2)")
        assert (await run.round()).keys == 2
        await run.write(
            "UPDATE label SET rank = 3 WHERE code = 'red'",
            "DELETE FROM label WHERE code = 'blue'",
            "INSERT INTO label (code) VALUES ('green')",
        )
        made = await run.round()
        assert (made.keys, made.rows, made.was_entangled) == (3, 2, False)
        await run.assert_equal()
        assert (await run.round()).keys == 0
        await run.write("UPDATE label SET rank = 4 WHERE code = 'red'")
        assert await run.cut() == 1
        await run.assert_equal()


_SQL = load("tests.promotion", "stories.sql")
FIRST = tuple(_SQL["first"].split(";\n"))
STORIES = {
    name: tuple(text.split(";\n")) + (FIRST if "begins_again" in name else ())
    for name, text in _SQL.items()
    if name not in {"first", "put_thing"}
}


@pytest.mark.parametrize("story", list(STORIES))
async def test_rules_of_the_target_do_nothing_that_did_not_happen(world: World, story: str) -> None:
    async with chase(world) as run:
        await run.write(*FIRST)
        await run.round()
        await run.assert_equal()
        await run.write(*STORIES[story])
        made = await run.round()
        assert made.keys > 0
        await run.assert_equal()


TIERS = [(Tier.ROWS, Tier.SCHEMA), (Tier.SCHEMA, Tier.ROWS), (Tier.DATABASE, Tier.ROWS)]


@settings(max_examples=15, deadline=None, suppress_health_check=_PATIENT)
@given(seed=st.integers(0), tiers=st.sampled_from(TIERS[:2]))
async def test_after_any_transactions_the_target_is_the_source(
    world: World, seed: int, tiers: tuple[Tier, Tier]
) -> None:
    dice = Random(seed)
    async with chase(world, *tiers) as run:
        await run.write(*FIRST)
        for _ in range(6):
            for _ in range(dice.randint(1, 5)):
                await do(run, draw_deeds(dice), dice)
            await run.round()
            await run.assert_equal()


@pytest.mark.parametrize("seed", range(3))
async def test_after_concurrent_transactions_the_target_is_the_source(
    world: World, seed: int
) -> None:
    """The way of a whole move: rounds while everybody writes, then a cut that keeps them out."""
    kept = 0

    async def write(writer: int) -> None:
        nonlocal kept
        dice = Random(seed * 100 + writer)
        while kept < 30:
            kept += await do(run, draw_deeds(dice), dice)

    async with chase(world, *TIERS[seed % 3]) as run:
        await run.write(*FIRST)
        async with asyncio.TaskGroup() as group:
            for writer in range(4):
                group.create_task(write(writer))
            for _ in range(12):
                await run.round()
                await capture.prune(run.source, run.tenant.id, run.watermark or "")
        await run.round()
        await run.write("UPDATE label SET rank = rank + 10")
        await run.cut()
        await run.assert_equal()


_WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_NUMBERS = st.one_of(
    st.decimals().map(lambda each: str(each).replace("sNaN", "NaN").replace("-NaN", "NaN")),
    st.sampled_from(["1.0", "1.00", "-0", "1e-30", "123456789012345678901234567890.5"]),
)
_MOMENTS = st.one_of(
    st.datetimes().map(str),
    st.sampled_from(["infinity", "-infinity", "0044-03-15 BC", "294276-12-31 23:59:59.999999"]),
)
#: A value of every type as text, by column of the table ``thing``.
_VALUES = {
    "amount": _NUMBERS,
    "share": st.decimals(-(10**13), 10**13, allow_nan=False, places=6).map(str),
    "ratio": st.floats().map(repr),
    "moment": _MOMENTS,
    "spent": st.sampled_from(["-1 mon +2 days -00:00:00.000001", "178000000 years", "P1Y2M3DT4H"]),
    "blob": st.binary(max_size=50).map(lambda each: "\\x" + each.hex()),
    "words": st.lists(st.none() | _WORDS).map(
        lambda words: json.dumps([word if word is None else "w" + word for word in words])
        .replace("[", "{", 1).removesuffix("]").replace("null", "NULL") + "}"
    ),
    "document": st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | _WORDS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=3),
        max_leaves=8,
    ).map(lambda each: json.dumps(each, ensure_ascii=False)),
    "host": st.ip_addresses().map(str) | st.sampled_from(["10.0.0.1/8", "::/0"]),
    "hours": st.sampled_from(["empty", "(,)", "[1,5)", "[1,]"]),
    "tone": _WORDS.filter(bool),
    "padded": st.text("a \\'\"", max_size=5),
}  # fmt: skip
_THING = st.fixed_dictionaries({name: st.none() | value for name, value in _VALUES.items()})


@settings(max_examples=20, deadline=None, suppress_health_check=_PATIENT, phases=[Phase.generate])
@given(
    things=st.lists(st.tuples(_MOMENTS, st.sampled_from(list(Mood)), _THING), max_size=4),
    style=st.sampled_from(["german", "sql, dmy", "iso"]),
)
async def test_a_value_of_any_type_is_the_same_at_the_target(
    typed: Chase, things: list[tuple[str, Mood, dict[str, str | None]]], style: str
) -> None:
    """Whatever the tenant's own session makes of dates: the key has to be found again."""
    async with typed.world.lease(typed.tenant) as lease:
        await lease.execute(f"SET LOCAL datestyle = '{style}'")
        await lease.execute("SET LOCAL timezone = 'Asia/Kolkata'")
        await lease.execute("DELETE FROM thing")
        for at, kind, values in things:
            await lease.execute("SET LOCAL datestyle = 'iso, mdy'")
            await lease.execute(
                _SQL["put_thing"], at, kind.name, *[values[each] for each in _VALUES]
            )
    made = await typed.round()
    assert not made.was_entangled
    await typed.assert_equal()


async def test_a_large_change_is_read_and_written_in_parts(world: World) -> None:
    async with chase(world) as run:
        await run.write(
            "INSERT INTO node (node_id, parent_id, name) OVERRIDING SYSTEM VALUE"
            " SELECT n, nullif(n / 2, 0), 'node ' || n FROM generate_series(1, 2500) AS n",
            "INSERT INTO thing (at, kind, blob) SELECT '2026-01-01'::timestamptz + n * interval"
            " '1 s', 'GOOD', decode(repeat('00ff27', 100000), 'hex') FROM generate_series(1, 60) n",
        )
        made = await run.round()
        assert (made.keys, made.rows) == (2_560, 2_560)
        await run.assert_equal()
        await run.write(
            "UPDATE node SET name = 'old ' || name", "DELETE FROM node WHERE node_id = 3"
        )
        assert (await run.round()).keys == 2_500
        await run.assert_equal()


async def test_the_first_round_needs_no_rules_at_the_target(world: World) -> None:
    async with chase(world) as run:
        await run.write(*FIRST)
        await run.round()
        async with world.admin(run.stream.target.placement) as connection:
            for statement in await connection.fetch(_LAY_BARE, run.stream.target.schema):
                await connection.execute(statement[0])
        await run.write(*STORIES["two_mails_are_swapped"], *STORIES["a_name_is_taken_over"])
        assert not (await run.round(is_bare=True)).was_entangled
        await run.assert_equal()


async def test_a_row_that_a_rule_of_the_target_changes_stops_the_round(world: World) -> None:
    async with chase(world) as run:
        await run.write(*FIRST)
        await run.round()
        before = run.watermark
        async with world.admin(run.stream.target.placement) as connection:
            await connection.execute(_PLANT.replace("{}", run.stream.target.schema))
        await run.write("UPDATE team SET name = 'pink' WHERE team_id = 1")
        with pytest.raises(RowsDiffer, match="team: 1 rows at the source, 1 at the target"):
            await run.round()
        assert run.watermark == before
        found = await run.at_target("SELECT name FROM team WHERE team_id = 1")
        assert [each["name"] for each in found] == ["red"]


async def test_more_changes_than_fit_into_memory_are_refused(world: World) -> None:
    async with chase(world) as run:
        await run.write(*FIRST)
        with pytest.raises(TooManyChanges, match="more than 5 rows"):
            await read_changes(
                run.source, run.stream.source, run.stream.shape, since=None, keys_max=5
            )


async def test_changes_of_a_table_that_nobody_knows_stop_the_round(world: World) -> None:
    async with chase(world) as run:
        await run.write(*FIRST)
        known = run.stream.shape.tables
        run.stream = msgspec.structs.replace(run.stream, shape=Shape(tables=known[1:]))
        with pytest.raises(ShapeDiffers, match=f"changes of {known[0].name} were written down"):
            await run.round()


async def test_a_superseded_mover_brings_nothing(world: World) -> None:
    async with chase(world) as run:
        await run.write(*FIRST)
        await run.target.execute("UPDATE gate.move SET token = 2")
        with pytest.raises(Superseded, match="fencing token 1"):
            await run.round()
        await run.target.execute("UPDATE gate.move SET token = 1")
        assert await run.at_target("SELECT 1 FROM label") == []


@pytest.mark.parametrize(("source", "target"), [*TIERS, (Tier.SCHEMA, Tier.DATABASE)])
async def test_ids_go_on_where_the_source_stopped(world: World, source: Tier, target: Tier) -> None:
    async with chase(world, source, target) as run:
        await run.write(
            "INSERT INTO node (name) SELECT 'n' || n FROM generate_series(1, 3) AS n",
            "DELETE FROM node WHERE node_id = 3",
        )
        await run.cut()
        made = await run.at_target("INSERT INTO node (name) VALUES ('next') RETURNING node_id")
        assert made[0]["node_id"] == 4
        # The target is ahead by now, and stays so.
        await run.cut()
        made = await run.at_target("INSERT INTO node (name) VALUES ('more') RETURNING node_id")
        assert made[0]["node_id"] == 5
        empty = await run.at_target("INSERT INTO team (name) VALUES ('first') RETURNING team_id")
        assert empty[0]["team_id"] == 1


async def test_a_counter_beyond_its_column_stays_within_it(world: World) -> None:
    async with chase(world, Tier.ROWS, Tier.SCHEMA) as run:
        await run.write(
            "INSERT INTO team (team_id, name) OVERRIDING SYSTEM VALUE VALUES (32766, 'last')",
            "SELECT gate.continue_ids('team', 'team_id')",
            "INSERT INTO team (name) VALUES ('very last')",
        )
        await run.source.execute("UPDATE gate.counter SET value = 40000")
        await run.cut()
        await run.assert_equal()


async def test_a_cut_of_rows_that_swap_is_refused_and_a_round_brings_them(world: World) -> None:
    async with chase(world) as run:
        await run.write(*FIRST)
        await run.round()
        await run.write(*STORIES["two_mails_are_swapped"])
        with pytest.raises(asyncpg.UniqueViolationError):
            await run.cut()
        assert (await run.round()).was_entangled
        assert await run.cut() == 0
        await run.assert_equal()


async def test_a_key_is_looked_up_and_the_table_never_read_through(world: World) -> None:
    async with chase(world) as run:
        await run.write(
            "INSERT INTO node (node_id, name) OVERRIDING SYSTEM VALUE"
            " SELECT n, 'node ' || n FROM generate_series(1, 20000) AS n"
        )
        await run.round()
        await run.write("UPDATE node SET parent_id = 6 WHERE node_id = 7")
        for connection in (run.source, run.target):
            await connection.execute("SELECT pg_stat_force_next_flush()")
        read = [await _rows_read(c) for c in (run.source, run.target)]
        await run.round()
        await run.cut()
        for connection, before in zip((run.source, run.target), read, strict=True):
            await connection.execute("SELECT pg_stat_force_next_flush()")
            assert await _rows_read(connection) - before < 100


async def _rows_read(connection: Connection) -> int:
    total = await connection.fetchval(
        "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_user_tables WHERE relname = 'node'"
    )
    assert isinstance(total, Decimal)
    return int(total)
