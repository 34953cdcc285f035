"""What an examination looks at, and what it says of what doesn't answer."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from deploy.doctor import DatabaseName, Patient, examine
from deploy.doctor.shipped import read_functions, shipped_gate
from deploy.doctor.versions import floor_of, has_fixes, is_supported, pooler_has_fixes
from deploy.stack.binaries import find_postgres
from router.fleet import ClusterAccess, Fleet
from router.words import Isolation, Tier
from tests.doctor.plants import examined, ward
from tests.house.sources import ROOT
from tests.stack.worlds import open_folder
from tests.worlds import SECRET_KEY, STORE_PRODUCT, running_clusters, world

if TYPE_CHECKING:
    from tests.doctor.plants import Ward
    from tests.worlds import Clusters

OLDEST = Path("/usr/lib/postgresql/15/bin")
EVERYTHING = ("shared-1", "dedicated-1")


def everything(made: Ward) -> Patient:
    return msgspec.structs.replace(made.dedicated, clusters=EVERYTHING)


async def test_a_healthy_world_has_no_finding(made: Ward) -> None:
    assert await examined(made.made.fleet, everything(made)) == []


async def test_the_demo_product_has_no_finding(clusters: Clusters) -> None:
    async with world(clusters, STORE_PRODUCT) as made:
        await made.tenant(Tier.ROWS)
        await made.tenant(Tier.SCHEMA, Isolation.STRICT)
        assert await examined(made.fleet, Patient(clusters=["shared-1"])) == []


async def test_the_oldest_server_has_warnings_about_its_version_alone() -> None:
    if not OLDEST.joinpath("postgres").exists():
        pytest.skip("PostgreSQL 15 isn't installed in Debian's folder")
    binaries = find_postgres({"STEPWELL_POSTGRES_BIN": str(OLDEST)})
    with open_folder() as folder:
        async with running_clusters(Path(folder), binaries=binaries) as old, ward(old) as made:
            found = await examine(made.made.fleet, everything(made))
            number = int(binaries.version.partition(".")[2])
            late = [each.rule for each in found]
            assert late == ([] if number >= 19 else ["server-version"] * 2)
            assert not any(each.grave for each in found)


async def test_a_tenant_that_left_says_where_to_look(made: Ward) -> None:
    place = made.place(Tier.DATABASE)
    told = msgspec.json.encode(place).decode()
    async with made.made.admin() as connection:
        await connection.execute(
            "INSERT INTO gate.home VALUES (gen_random_uuid(), 'moved', 1, 's_left', 'l_left', $1)",
            told,
        )
    await made.run("ALTER TABLE data.book DISABLE ROW LEVEL SECURITY", in_dedicated=True)
    try:
        found = await examined(made.made.fleet, made.shared)
    finally:
        await made.run("ALTER TABLE data.book ENABLE ROW LEVEL SECURITY", in_dedicated=True)
        await made.run("DELETE FROM gate.home WHERE schema_name = 's_left'")
    assert [(each.rule, each.where) for each in found] == [
        ("row-security-enabled", f"dedicated-1/{place.database}")
    ]


async def test_an_unknown_database_is_unreachable_and_grave(made: Ward) -> None:
    patient = Patient(
        clusters=["shared-1"], databases=[DatabaseName(cluster="shared-1", database="d_gone")]
    )
    (found,) = await examined(made.made.fleet, patient)
    assert (found.rule, found.object, found.where, found.grave) == (
        "unreachable",
        "d_gone",
        "shared-1/d_gone",
        True,
    )


async def test_a_cluster_that_is_down_is_one_finding(made: Ward) -> None:
    fleet = moved_to_port(made, 1)
    found = await examined(fleet, Patient(clusters=["shared-1", "nowhere"]))
    assert [(each.rule, each.object) for each in found] == [
        ("unreachable", "nowhere"),
        ("unreachable", "shared-1"),
    ]


def moved_to_port(made: Ward, port: int) -> Fleet:
    admin = msgspec.structs.replace(made.made.shared_address, port=port)
    cluster = made.made.fleet.cluster("shared-1")
    known = {"shared-1": ClusterAccess(cluster=cluster, admin=admin)}
    return Fleet(SECRET_KEY, access=known.get, key_id=lambda: 1)


async def test_a_database_without_a_gate_is_found(made: Ward) -> None:
    name = DatabaseName(cluster="shared-1", database="postgres")
    found = await examined(made.made.fleet, Patient(clusters=[], databases=[name]))
    assert [(each.rule, each.object) for each in found] == [("gate-missing", "postgres")]


async def test_a_gate_of_another_secret_is_found(made: Ward) -> None:
    fleet = Fleet(b"somebody else's secret, 32 bytes long", access=made.access, key_id=lambda: 1)
    found = await examined(fleet, made.shared)
    assert [(each.rule, each.object) for each in found] == [("gate-key-foreign", "gate.key 1")]


@pytest.mark.parametrize(("count", "rules"), [(900, []), (901, ["capacity"])])
async def test_a_cluster_that_is_nearly_full_is_found(
    made: Ward, count: int, rules: list[str]
) -> None:
    patient = Patient(clusters=["dedicated-1"], tenants={"dedicated-1": count})
    found = await examined(made.made.fleet, patient)
    assert [each.rule for each in found] == rules


@pytest.mark.parametrize(
    ("told", "rules"), [("PgBouncer 1.18.0", ["pooler-version"]), ("PgBouncer 1.26.1", [])]
)
async def test_an_old_pooler_is_found(made: Ward, told: str, rules: list[str]) -> None:
    patient = Patient(clusters=["dedicated-1"], poolers={"dedicated-1": told})
    found = await examined(made.made.fleet, patient)
    assert [each.rule for each in found] == rules


@pytest.mark.parametrize(
    ("skew_s", "rules"), [(-60.0, ["clock-skew"]), (60.0, ["clock-skew"]), (1.0, []), (-1.0, [])]
)
async def test_a_clock_that_is_wrong_is_found(made: Ward, skew_s: float, rules: list[str]) -> None:
    patient = Patient(clusters=["dedicated-1"])
    found = await examine(made.made.fleet, patient, now_s=lambda: time.time() + skew_s)
    assert [each.rule for each in found if each.rule == "clock-skew"] == rules


async def test_grave_findings_come_first(made: Ward) -> None:
    patient = Patient(
        clusters=["dedicated-1"],
        databases=[DatabaseName(cluster="dedicated-1", database="postgres")],
        tenants={"dedicated-1": 5_000},
    )
    found = await examined(made.made.fleet, patient)
    assert [each.rule for each in found] == ["gate-missing", "capacity"]
    assert str(found[1]).startswith(
        "warning: capacity: dedicated-1 at dedicated-1: 5000 tenants of 1000."
    )


async def test_an_examination_leaves_no_connection_behind(made: Ward) -> None:
    await examined(made.made.fleet, everything(made))
    async with made.made.admin() as connection:
        left = await connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'stepwell platform'"
        )
    assert left == 0


def test_every_function_of_the_gate_is_read() -> None:
    made = [
        name
        for path in sorted((ROOT / "router/gate").glob("*.sql"))
        for name in re.findall(r"^CREATE.* FUNCTION gate\.(\w+)", path.read_text(), re.MULTILINE)
    ]
    assert [each.name for each in shipped_gate()] == made
    assert {"enter", "tenant", "adopt"} <= set(made)


def test_a_function_is_read_with_its_owner_and_its_grants() -> None:
    sql = (
        "SET LOCAL ROLE one;\nSET LOCAL ROLE two;\n"
        "CREATE FUNCTION gate.open(a text) RETURNS void\nLANGUAGE sql SECURITY DEFINER\n"
        "AS $gate$ SELECT 1 $gate$;\nGRANT EXECUTE ON FUNCTION gate.shut(text) TO four;\n"
        "GRANT EXECUTE ON FUNCTION gate.shut(text),\n gate.open(text) TO three, five;"
    )
    (read,) = read_functions(sql)
    assert (read.name, read.owner, read.is_definer) == ("open", "two", True)
    assert read.grantees == ["five", "three"]


@pytest.mark.parametrize(
    ("number", "supported", "fixed"),
    [
        (140024, False, True),
        (150018, True, False),
        (150019, True, True),
        (160014, True, False),
        (170010, True, False),
        (170011, True, True),
        (180005, True, False),
        (180006, True, True),
        (190000, True, True),
    ],
)
def test_a_server_is_judged_by_its_major_and_its_minor_version(
    number: int, *, supported: bool, fixed: bool
) -> None:
    assert (is_supported(number), has_fixes(number)) == (supported, fixed)
    if not fixed:
        assert re.fullmatch(r"1[5-8]\.\d+", floor_of(number))


@pytest.mark.parametrize(
    ("told", "fixed"),
    [
        ("PgBouncer 1.26.0", False),
        ("PgBouncer 1.27", True),
        ("PgBouncer 2.0.1\nlibevent 2.1", True),
        ("what?", False),
        ("", False),
    ],
)
def test_a_pooler_is_judged_by_what_it_says(told: str, *, fixed: bool) -> None:
    assert pooler_has_fixes(told) is fixed
