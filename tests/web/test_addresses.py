"""No page is forgotten by whoever looks at all of them."""

from __future__ import annotations

import re
from pathlib import Path

from tests.web.addresses import EXCUSED, Who, addresses, site_pages, who_sees

TESTS = Path(__file__).parents[1]
NAMES = (
    *("w", "tenants", "clusters", "access", "sales", "stage"),
    *("domains", "keys", "members", "moves", "operations"),
)
THINGS = dict.fromkeys(NAMES, "x")


def test_each_page_is_looked_at_or_excused() -> None:
    looked_at = [each for who in Who for each in addresses(who, THINGS)]
    assert len(looked_at) + len(EXCUSED) == len(site_pages())
    assert not [each for each in looked_at if "{" in each]


def test_nothing_is_excused_that_is_no_page() -> None:
    assert sorted(set(EXCUSED) - set(site_pages())) == []


def test_what_an_excuse_names_is_there() -> None:
    named = {name for reason in EXCUSED.values() for name in re.findall(r"test_\w+", reason)}
    assert sorted(each for each in named if not list(TESTS.rglob(f"{each}.py"))) == []


def test_an_address_says_whose_page_it_is() -> None:
    assert who_sees("/console/tenants/{slug:str}") is Who.OPERATOR
    assert who_sees("/sales/new") is Who.OPERATOR
    assert who_sees("/w/{slug:str}/members") is Who.OWNER
    assert who_sees("/account/passkeys") is Who.OWNER
    assert who_sees("/login") is Who.NOBODY
    assert "/console/tenants/x/usage" in addresses(Who.OPERATOR, THINGS)
    assert "/sales/x/x" in addresses(Who.OPERATOR, THINGS)
    assert "/signup?plan=pro" in addresses(Who.NOBODY, THINGS)
