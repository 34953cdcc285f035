"""Servers that customers name: each spelling that leads home is refused, nothing is guessed."""

from __future__ import annotations

import pytest

from router.catalog.onboarding_hosts import (
    check_addresses,
    check_certificates,
    check_host,
    check_port,
    check_word,
    resolve,
)
from router.errors import Unprocessable

GOOD = ("db.customer.com", "DB.Customer.COM ", "pg-1.eu.customer.co.uk", "8.8.8.8", "2606:4700::1")
#: Each leads to ourselves, to a neighbour, to two places at once, or to who knows where.
BAD = (
    "",
    " ",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "db.localhost",
    "localhost.localdomain",
    "printer.local",
    "db.internal",
    "metadata.google.internal",
    "db.corp",
    "db.lan",
    "router.home.arpa",
    "1.0.0.127.in-addr.arpa",
    "db.test",
    "db.onion",
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.000.000.001",
    "0177.0.0.1",
    "0x7f.0.0.1",
    "0x7f000001",
    "2130706433",
    "017700000001",
    "0",
    "0.0.0.0",  # noqa: S104 - nobody binds it: it is refused
    "127.0.0.1.",
    "127.255.255.254",
    "10.0.0.7",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "198.18.0.1",
    "192.0.2.1",
    "203.0.113.9",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "[::1]",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "[::ffff:127.0.0.1]",
    "::ffff:7f00:1",
    "::127.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a00:7::",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:7",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "good.example.com,127.0.0.1:5918",
    "db.customer.com,db2.customer.com",
    "db.customer.com:5433",
    "db.customer.com/postgres",
    "db.customer.com?host=/var/run/postgresql",
    "db.customer.com?sslrootcert=/etc/shadow",
    "db.customer.com#x",
    "admin@db.customer.com",
    "postgresql://db.customer.com",
    "/var/run/postgresql",
    "@abstract",
    "..",
    "a..b.com",
    "-db.customer.com",
    "db-.customer.com",
    "db_1.customer.com",
    "db.customer.com\n",
    "db.customer.com\x00",
    "db.customer.com\n127.0.0.1",
    "db customer.com",
    "db.customer.com.",
    "\u217cocalhost",
    "\uff11\uff12\uff17.0.0.1",
    "127\u30020\u30020\u30021",
    "xn--",
    "db",
    "db.1",
    "db.0x7f",
    "*.customer.com",
    "a" * 64 + ".com",
    "a." * 130 + "com",
)


def test_there_are_enough_spellings() -> None:
    assert len(set(BAD)) >= 80


@pytest.mark.parametrize("host", GOOD)
def test_a_public_server_is_taken_in_its_one_spelling(host: str) -> None:
    assert check_host(host) == host.strip().lower()


@pytest.mark.parametrize("host", [each for each in BAD if each != "db.customer.com\n"])
def test_no_spelling_leads_home(host: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        check_host(host)
    assert refused.value.field == "host"


def test_space_around_a_name_is_no_part_of_it() -> None:
    assert check_host("db.customer.com\n") == "db.customer.com"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "10.0.0.7", "db.internal", "::1"])
def test_a_setting_allows_private_servers(host: str) -> None:
    assert check_host(host, allow_private=True) == host


@pytest.mark.parametrize(
    "host", ["good.com,127.0.0.1", "/var/run/postgresql", "2130706433", "127.1", "[::1]", "0x7f.1"]
)
def test_no_setting_allows_an_odd_spelling(host: str) -> None:
    with pytest.raises(Unprocessable):
        check_host(host, allow_private=True)


@pytest.mark.parametrize(
    "found",
    [
        [],
        ["127.0.0.1"],
        ["8.8.8.8", "10.0.0.7"],
        ["2606:4700::1", "::1"],
        ["fe80::1%eth0"],
        ["::ffff:10.0.0.7"],
        ["64:ff9b::a00:7"],
    ],
)
def test_one_private_address_of_a_name_is_too_many(found: list[str]) -> None:
    with pytest.raises(Unprocessable):
        check_addresses(found)


def test_the_first_public_address_is_pinned() -> None:
    assert check_addresses(["8.8.8.8", "8.8.4.4"]) == "8.8.8.8"
    assert check_addresses(["127.0.0.1"], allow_private=True) == "127.0.0.1"


async def test_a_name_is_looked_up_and_leads_nowhere_private() -> None:
    assert await resolve("localhost", 5432, allow_private=True) in {"127.0.0.1", "::1"}
    with pytest.raises(Unprocessable, match="private address"):
        await resolve("localhost", 5432)


@pytest.mark.parametrize("port", [1, 22, 80, 443, 1023])
def test_other_protocols_are_not_talked_to(port: int) -> None:
    with pytest.raises(Unprocessable) as refused:
        check_port(port)
    assert refused.value.field == "port"
    assert check_port(5432) == 5432


@pytest.mark.parametrize(
    "word", ["", " ", "a b", "a@b", "a/b", "a?b", "a=b", "a'b", "a\x00b", "a,b"]
)
def test_a_user_hides_nothing(word: str) -> None:
    with pytest.raises(Unprocessable):
        check_word(word, field="user")
    assert check_word(" admin_1 ", field="user") == "admin_1"


@pytest.mark.parametrize(
    "text", ["", "trust me", "-----BEGIN CERTIFICATE-----\nAAAA\n", "/etc/shadow", "é"]
)
def test_what_vouches_is_a_certificate(text: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        check_certificates(text)
    assert refused.value.field == "certificates"
