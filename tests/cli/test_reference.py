"""A product of somebody's own: its first revision, and reference tables in all three tiers."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path

import asyncpg
import httpx
import msgspec
import pytest

from deploy.reference import ReferenceStatus
from tests.cli.worlds import ROOT, Stack, running, telling
from tests.stack.worlds import open_folder

PRODUCT = "atlas.product:product"
CONTINENTS = "code,name\nEU,Europe\nSA,South America\n"
COUNTRIES = 'name,code,continent,people\nNorway,NO,EU,5500000\n"Brasil, o",BR,SA,\n'
PLANS = ("starter", "pro", "enterprise")


@pytest.fixture(scope="module")
def atlas() -> Generator[Stack]:
    """A stack of a product that was written and revised a moment ago, with loaded tables."""
    with open_folder() as folder, telling(cwd=folder) as teller:
        shutil.copytree(ROOT / "tests/products/atlas", folder / "atlas")
        stack = Stack(teller, folder / "state", cwd=folder)
        written = stack.run("revision", "-m", "first", "--product", PRODUCT)
        assert written.status == 0, written.err
        again = stack.run("revision", "-m", "nothing", "--product", PRODUCT, "--json")
        assert again.document() == {"revision": None, "findings": [], "notes": []}
        with running(stack, "--product", PRODUCT, "--no-demo"):
            load(stack, "continent", CONTINENTS)
            for plan in PLANS:
                make(stack, plan, plan)
            yield stack


def make(stack: Stack, slug: str, plan: str) -> None:
    stack.ask(
        *("tenant", "create", "--name", slug, "--slug", f"the-{slug}", "--plan", plan),
        *("--owner", f"owner@{slug}.example", "--wait", "--json"),
    ).document()


def load(stack: Stack, table: str, text: str) -> None:
    file = stack.state.parent / f"{table}.csv"
    file.write_text(text, encoding="utf-8")
    stack.ask("reference", "load", table, str(file), "--json").document()


def client_of(stack: Stack, slug: str) -> httpx.Client:
    key = stack.ask("key", "create", f"the-{slug}", "--name", "test", "--json").document()
    return httpx.Client(
        base_url=f"http://{stack.status().gateways[0]}",
        headers={"Authorization": f"Bearer {key['secret']}"},
        timeout=20,
    )


def is_current(stack: Stack) -> bool:
    shown = stack.ask("reference", "status", "--json").out
    return all(
        each.is_current for each in msgspec.json.decode(shown, type=ReferenceStatus).databases
    )


def test_a_load_reaches_every_tier(atlas: Stack) -> None:
    load(atlas, "country", COUNTRIES)
    atlas.until(lambda _: is_current(atlas))
    for plan in PLANS:
        with client_of(atlas, plan) as client:
            assert client.get("/countries").json() == {"BR": "Brasil, o", "NO": "Norway"}
            lives = {"name": "Ola", "country": "NO"}
            assert client.post("/customers", json=lives).status_code == 201
            nowhere = {"name": "Nemo", "country": "XX"}
            assert client.post("/customers", json=nowhere).status_code in {409, 422}


def test_a_new_load_changes_adds_and_removes(atlas: Stack) -> None:
    load(atlas, "country", "code,name,continent,people\nNO,Norge,EU,1\nSE,Sverige,EU,2\n")
    atlas.until(lambda _: is_current(atlas))
    for plan in PLANS:
        with client_of(atlas, plan) as client:
            assert client.get("/countries").json() == {"NO": "Norge", "SE": "Sverige"}


def test_a_new_database_has_the_rows_at_once(atlas: Stack) -> None:
    make(atlas, "fresh", "enterprise")
    with client_of(atlas, "fresh") as client:
        assert client.get("/countries").json() == {"NO": "Norge", "SE": "Sverige"}


def test_a_row_that_a_tenant_uses_stays_until_nobody_does(atlas: Stack) -> None:
    with client_of(atlas, "starter") as client:
        client.post("/customers", json={"name": "Kari", "country": "NO"}).raise_for_status()
    load(atlas, "country", "code,name,continent,people\nSE,Sverige,EU,2\n")
    shown = atlas.ask("reference", "status")
    assert "not yet" in shown.out
    load(atlas, "country", "code,name,continent,people\nNO,Norge,EU,1\nSE,Sverige,EU,2\n")
    atlas.until(lambda _: is_current(atlas))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "code,name\nNO,Norge\n",
            "the first line must name the columns code,name,continent,people",
        ),
        ("", "not nothing"),
        ("code,name,continent,people\nNO,Norge,EU,many\n", "line 2, column people"),
        ("code,name,continent,people\nNO,Norge,EU\n", "line 2"),
        (
            "code,name,continent,people\nNO,Norge,EU,1\nNO,Norge,EU,1\n",
            "line 3: duplicate key",
        ),
        ("code,name,continent,people\nNO,Norge,XX,1\n", "foreign key"),
        ("code,name,continent,people\nNO,,EU,1\n", "null value in column"),
    ],
)
def test_a_bad_file_changes_nothing(atlas: Stack, tmp_path: Path, text: str, said: str) -> None:
    before = atlas.ask("reference", "status", "--json").document()["tables"]
    file = tmp_path / "country.csv"
    file.write_text(text, encoding="utf-8")
    assert said in atlas.ask("reference", "load", "country", str(file)).sentence()
    assert atlas.ask("reference", "status", "--json").document()["tables"] == before


async def test_a_change_by_sql_alone_is_copied_too(atlas: Stack) -> None:
    catalog, _ = atlas.dsns()
    connection = await asyncpg.connect(catalog, ssl=False)
    await connection.execute("UPDATE reference.country SET name = 'Noreg' WHERE code = 'NO'")
    await connection.close()
    with client_of(atlas, "pro") as client:
        atlas.until(lambda _: client.get("/countries").json()["NO"] == "Noreg")


def test_a_state_serves_one_product(atlas: Stack) -> None:
    other = atlas.run("up", "--port", "0", "--product", "examples.store.product:product")
    assert "is in use" in other.sentence()


def test_the_doctor_finds_nothing_there(atlas: Stack) -> None:
    done = atlas.ask("doctor")
    assert (done.status, done.out) == (0, "")
