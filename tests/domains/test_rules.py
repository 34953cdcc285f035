"""What may be claimed, and what records mean: decided without any I/O."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from router.catalog.claims import Claim, ClaimState, Verdict, judge, spell
from router.errors import Misconfigured, Unprocessable
from router.records import read_servers

SITE = "app.stepwell.example"
NOW = datetime(2026, 11, 21, tzinfo=UTC)


def claim(tenant_id: UUID, *, token: str, is_served: bool = False) -> Claim:
    return Claim(
        tenant_id=tenant_id,
        name="shop.example.com",
        token=token,
        claimed_at=NOW,
        expires_at=None if is_served else NOW,
        checked_at=None,
        problem=None,
        verified_at=NOW if is_served else None,
        off_at=None,
    )


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (" Shop.Example.COM. ", "shop.example.com"),
        ("bücher.example.com", "xn--bcher-kva.example.com"),
        ("xn--bcher-kva.example.com", "xn--bcher-kva.example.com"),
        ("a-b.example.co.uk", "a-b.example.co.uk"),
        ("stepwell.example.com", "stepwell.example.com"),
    ],
)
def test_a_domain_has_one_spelling(typed: str, stored: str) -> None:
    assert spell(typed, site_host=SITE) == stored


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "localhost",
        "example",
        "192.0.2.1",
        "2001:db8::1",
        "[2001:db8::1]",
        "shop.example.com:443",
        "https://shop.example.com",
        "shop.example.com/path",
        "*.example.com",
        "_x.example.com",
        "-a.example.com",
        "a..b",
        "shop.example.com..",
        "a b.example.com",
        "ex\\032ample.com",
        "\x00.example.com",
        "\ud800.example.com",
        "shop.local",
        "db.internal",
        "1.0.0.127.in-addr.arpa",
        "x" * 64 + ".example.com",
        ("x" * 60 + ".") * 4 + "example.com",
        "x" * 10_000,
        SITE,
        SITE.upper(),
        f"acme.{SITE}",
        "stepwell.example",
    ],
)
def test_what_no_tenant_can_have_is_refused_beside_its_field(typed: str) -> None:
    with pytest.raises(Unprocessable) as refused:
        spell(typed, site_host=SITE)
    assert refused.value.field == "name"
    assert len(refused.value.detail) < 200


def test_who_writes_the_record_has_the_domain() -> None:
    ours, theirs = claim(uuid4(), token="ours"), claim(uuid4(), token="theirs")
    served = claim(theirs.tenant_id, token="theirs", is_served=True)
    assert judge(ours, [], {"stepwell=ours"}) is Verdict.SHOWN
    assert judge(ours, [theirs], {"stepwell=ours", "stepwell=theirs"}) is Verdict.SHOWN
    assert judge(ours, [served], {"stepwell=ours"}) is Verdict.SHOWN
    assert judge(ours, [served], {"stepwell=ours", "stepwell=theirs"}) is Verdict.HELD
    assert judge(ours, [served], {"stepwell=theirs"}) is Verdict.MISSING
    assert judge(ours, [], {"stepwell=OURS", "v=spf1 -all", "stepwell=ours "}) is Verdict.MISSING
    assert judge(ours, [], set()) is Verdict.MISSING


def test_a_claim_says_where_it_stands() -> None:
    served = claim(uuid4(), token="x", is_served=True)
    assert claim(uuid4(), token="x").state is ClaimState.PENDING
    assert served.state is ClaimState.VERIFIED
    assert served.record_name == "_stepwell.shop.example.com"


def test_name_servers_are_read_with_their_ports() -> None:
    text = "192.0.2.1, 192.0.2.2:5353,[2001:db8::1]:53,2001:db8::2"
    assert read_servers(text) == [
        ("192.0.2.1", 53),
        ("192.0.2.2", 5353),
        ("2001:db8::1", 53),
        ("2001:db8::2", 53),
    ]


@pytest.mark.parametrize(
    "text", ["dns.example", "192.0.2.1:0", "192.0.2.1:70000", "192.0.2.1,", ":"]
)
def test_a_name_server_that_is_no_address_is_said_at_start(text: str) -> None:
    with pytest.raises(Misconfigured, match="STEPWELL_DNS_SERVERS"):
        read_servers(text)
