"""What ``stepwell audit verify`` says, and with which status."""

from __future__ import annotations

import msgspec

from router.catalog import Catalog, audit_chain
from router.catalog.audit_chain import Seal
from tests.cli.teller import Done, Teller
from tests.trail.test_chains import ENTRIES, tamper, write

SECRET_KEY = "the secret key of these commands: 32 bytes"
KEYS = audit_chain.seal_keys([SECRET_KEY.encode()])


class Told(msgspec.Struct):
    whole: bool
    entries: int
    newer: int
    head: str | None
    breaks: list[dict[str, object]]


def verify(teller: Teller, catalog: Catalog, *words: str) -> Done:
    environ = {"STEPWELL_DATABASE_URL": catalog.address.dsn(), "STEPWELL_SECRET_KEY": SECRET_KEY}
    return teller.run(["audit", "verify", *words], environ)


async def test_a_whole_trail_shows_the_head_to_note(teller: Teller, catalog: Catalog) -> None:
    await write(catalog)
    sealed = await audit_chain.seal(catalog, KEYS)
    assert isinstance(sealed, Seal)
    done = verify(teller, catalog, "--json", "--expect", sealed.digest.hex().upper())
    assert done.status == 0, done.err
    told = msgspec.json.decode(done.out, type=Told)
    assert told == Told(whole=True, entries=ENTRIES, newer=0, head=sealed.digest.hex(), breaks=[])
    shown = verify(teller, catalog)
    assert (shown.status, shown.err) == (0, "the audit is whole\n")
    assert sealed.digest.hex() in shown.out


async def test_a_break_is_named_and_fails_the_command(teller: Teller, catalog: Catalog) -> None:
    await write(catalog)
    await tamper(catalog, "altered")
    done = verify(teller, catalog, "--json")
    assert done.status == 1
    assert done.err == "stepwell: the audit isn't whole: entry 5 isn't what was written\n"
    told = msgspec.json.decode(done.out, type=Told)
    assert [(each["kind"], each["entry"]) for each in told.breaks] == [("altered", 5)]
    assert "altered" in verify(teller, catalog).out


async def test_a_head_that_no_seal_has_fails_the_command(teller: Teller, catalog: Catalog) -> None:
    await write(catalog)
    done = verify(teller, catalog, "--expect", "ab" * 32)
    assert done.status == 1
    assert "no seal has the head abab" in done.err


async def test_what_cannot_be_a_head_is_refused(teller: Teller, catalog: Catalog) -> None:
    done = verify(teller, catalog, "--expect", "abc")
    assert done.status == 2
    assert "64 hexadecimal digits" in done.err
