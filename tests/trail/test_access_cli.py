"""``stepwell access``: break-glass from the command line, by people who prove who they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.catalog import Catalog, access, accounts
from router.catalog.access_words import Begun, By
from router.catalog.passwords import Passwords
from router.words import Tenant
from tests.catalog.worlds import add_cluster, add_tenant
from tests.cli.teller import Done, Teller

SECRET_KEY = "the secret key of these commands: 32 bytes"
PASSWORD = "correct horse battery staple"
WHY = ("--reason", "rows look wrong")


class Shell:
    """The command line on one catalog, with a password in a file."""

    def __init__(self, teller: Teller, catalog: Catalog, folder: Path) -> None:
        self._teller = teller
        self._catalog = catalog
        self.password = folder / "password"
        self.password.write_text(PASSWORD + "\n")

    def run(self, *words: str, who: str | None = None) -> Done:
        environ = {
            "STEPWELL_DATABASE_URL": self._catalog.address.dsn(),
            "STEPWELL_SECRET_KEY": SECRET_KEY,
        }
        proof = () if who is None else ("--as", who, "--password-file", str(self.password))
        return self._teller.run(["access", *words, *proof], environ)


@pytest.fixture
def shell(teller: Teller, catalog: Catalog, tmp_path: Path) -> Shell:
    return Shell(teller, catalog, tmp_path)


@pytest.fixture
async def tenant(catalog: Catalog) -> Tenant:
    await add_cluster(catalog)
    return await add_tenant(catalog, "acme")


async def hire(catalog: Catalog, email: str, role: str) -> str:
    passwords = Passwords()
    password_hash = await passwords.hash(PASSWORD)
    passwords.close()
    async with catalog.transaction() as connection:
        made = await accounts.create(connection, email=email, password_hash=password_hash)
        await connection.execute(
            "UPDATE catalog.account SET staff_role = $2 WHERE id = $1", made.id, role
        )
    return email


async def test_two_people_let_one_of_them_write(
    shell: Shell, catalog: Catalog, tenant: Tenant
) -> None:
    ada = await hire(catalog, "ada@ours.example", "operator")
    bob = await hire(catalog, "bob@ours.example", "operator")
    wanted = ("request", tenant.slug, *WHY, "--ticket", "T-1", "--minutes", "10", "--json")
    asked = shell.run(*wanted, "--write", who=ada).document()
    access_id = str(asked["id"])
    assert (asked["state"], asked["requested_by"]) == ("requested", ada)
    assert "another person" in shell.run("approve", access_id, *WHY, who=ada).sentence()
    assert "another person" in shell.run("approve", access_id, *WHY).sentence()
    assert shell.run("approve", access_id, *WHY, "--json", who=bob).document()["state"] == "ready"
    entered = shell.run("enter", access_id, *WHY, who=ada)
    assert entered.out.startswith("stw_a_")
    assert "shown once" in shell.run("enter", access_id, *WHY, who=ada).sentence()
    (listed,) = shell.run("list", "--tenant", tenant.slug, "--json").documents()
    assert (listed["id"], listed["state"]) == (access_id, "active")
    assert shell.run("list", "--only", "denied", "--json").documents() == []
    ended = shell.run("end", access_id, *WHY, "--json").document()
    assert (ended["state"], ended["ended_by"]) == ("ended", "cli")


async def test_the_command_line_itself_may_read_and_no_more(
    shell: Shell, catalog: Catalog, tenant: Tenant
) -> None:
    wanted = ("request", tenant.slug, *WHY, "--ticket", "T-1", "--minutes")
    assert "has a name" in shell.run(*wanted, "10", "--write").sentence()
    assert "STEPWELL_ACCESS_MINUTES_MAX" in shell.run(*wanted, "61").sentence()
    access_id = str(shell.run(*wanted, "10", "--json").document()["id"])
    assert shell.run("deny", access_id, *WHY, "--json").document()["ended_by"] == "cli"
    shell.password.write_text("another password\n")
    ada = await hire(catalog, "ada@ours.example", "operator")
    refused = shell.run(*wanted, "10", who=ada)
    assert (refused.status, refused.out) == (1, "")
    shell.password.write_text(PASSWORD)
    eve = await hire(catalog, "eve@ours.example", "sales")
    assert "of the staff" in shell.run(*wanted, "10", who=eve).sentence()
    observer = await hire(catalog, "otto@ours.example", "observer")
    assert "of the staff" in shell.run(*wanted, "10", "--write", who=observer).sentence()
    assert shell.run(*wanted, "10", "--json", who=observer).document()["state"] == "ready"


async def test_a_changed_transcript_is_found(
    shell: Shell, catalog: Catalog, tenant: Tenant
) -> None:
    wanted = ("request", tenant.slug, *WHY, "--ticket", "T-1", "--minutes", "10", "--json")
    asked = shell.run(*wanted).document()
    shell.run("enter", str(asked["id"]), *WHY, "--json").document()
    by = By(actor="staff:cli", name="cli")
    async with catalog.transaction() as connection:
        (known,) = (await access.list_page(connection)).items
        begun = Begun(request_id="r", method="GET", path="/notes?limit")
        position = await access.begin_line(connection, known.id, begun, by)
        assert position == 1
        assert await access.tell_statement(connection, known.id, 1, number=1, text="SELECT\n 1")
        assert await access.finish_line(connection, known.id, 1, status=200)
    shown = shell.run("transcript", str(known.id))
    assert "GET /notes?limit" in shown.out
    assert "SELECT 1" in shown.out
    shell.run("end", str(known.id), *WHY, "--json").document()
    (line,) = shell.run("transcript", str(known.id), "--json").documents()
    assert (line["status"], line["statements"]) == (200, ["SELECT\n 1"])
    async with catalog.connection() as connection:
        await connection.execute("ALTER TABLE catalog.access_line DISABLE TRIGGER USER")
        await connection.execute("UPDATE catalog.access_line SET path = '/'")
    changed = shell.run("transcript", str(known.id), "--json")
    assert changed.status == 1
    assert "was changed since" in changed.err


async def test_what_is_no_access_is_one_sentence(shell: Shell) -> None:
    assert shell.run("end", "no-uuid", *WHY).status == 2
    nobody = "00000000-0000-4000-8000-000000000000"
    for words in (("end", nobody, *WHY), ("transcript", nobody), ("enter", nobody, *WHY)):
        assert "there is no access" in shell.run(*words).sentence()
    assert shell.run("list", "--tenant", "no-such").status == 1
