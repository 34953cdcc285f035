"""``stepwell staff``: who enters the console, from the command line."""

from __future__ import annotations

from router.catalog import Catalog, accounts, staff
from router.catalog.credentials import StaffRole
from router.catalog.passwords import Passwords
from tests.cli.teller import Done, Teller

SECRET_KEY = "the secret key of these commands: 32 bytes"


def ask(teller: Teller, catalog: Catalog, *words: str) -> Done:
    environ = {"STEPWELL_DATABASE_URL": catalog.address.dsn(), "STEPWELL_SECRET_KEY": SECRET_KEY}
    return teller.run(["staff", *words], environ)


async def test_a_new_colleague_logs_in_with_the_password_that_is_shown(
    teller: Teller, catalog: Catalog
) -> None:
    made = ask(teller, catalog, "add", "Ada@ours.example", "--role", "operator", "--json")
    told = made.document()
    assert (told["email"], told["role"]) == ("ada@ours.example", "operator")
    passwords = Passwords()
    try:
        account = await accounts.log_in(
            catalog, passwords, email="ada@ours.example", password=str(told["password"])
        )
    finally:
        passwords.close()
    assert account.email_verified_at is not None
    again = ask(teller, catalog, "add", "ada@ours.example", "--role", "observer", "--json")
    assert again.document() == {"email": "ada@ours.example", "role": "observer", "password": None}
    listed = ask(teller, catalog, "list", "--json").documents()
    assert [(each["email"], each["role"]) for each in listed] == [("ada@ours.example", "observer")]
    assert ask(teller, catalog, "remove", "ada@ours.example", "--json").document() == {
        "removed": "ada@ours.example"
    }
    assert ask(teller, catalog, "list", "--json").documents() == []
    assert "none of the staff" in ask(teller, catalog, "remove", "ada@ours.example").sentence()


async def test_an_account_that_nobody_proved_stays_outside(
    teller: Teller, catalog: Catalog
) -> None:
    async with catalog.connection() as connection:
        await accounts.create(connection, email="eve@ours.example", password_hash="x")
    refused = ask(teller, catalog, "add", "eve@ours.example", "--role", "operator").sentence()
    assert "verify the address" in refused
    async with catalog.connection() as connection:
        assert await staff.list_all(connection) == []


async def test_what_is_no_role_or_address_is_refused(teller: Teller, catalog: Catalog) -> None:
    assert ask(teller, catalog, "add", "ada@ours.example", "--role", "king").status == 2
    assert ask(teller, catalog, "add", "no address", "--role", StaffRole.SALES).status == 1
