"""What a host, a path and a header name; malformed ones are refused, never guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import BadRequest
from router.gateway.identity import Site, read_header, read_host, read_path

SITE = Site.parse("example.com:8000")


@pytest.mark.parametrize(
    ("host", "slug", "domain"),
    [
        ("example.com", None, None),
        ("EXAMPLE.com:8000", None, None),
        ("example.com.", None, None),
        ("acme.example.com", "acme", None),
        ("Acme.Example.Com:8000", "acme", None),
        ("a.b.example.com", "a.b", None),
        ("shop.acme.io", None, "shop.acme.io"),
        ("notexample.com", None, "notexample.com"),
        ("127.0.0.1:8000", None, None),
        ("[::1]:8000", None, None),
    ],
)
def test_a_host_names_a_slug_or_a_domain_or_the_site(
    host: str, slug: str | None, domain: str | None
) -> None:
    assert read_host(host, SITE) == (slug, domain)


@pytest.mark.parametrize(
    "host",
    ["", ".", "a b", "acme.io:port", "acme.io:99999", "acme..io", "x" * 300, "a_b.io", "é.io:1:2"],
)
def test_a_malformed_host_is_refused(host: str) -> None:
    with pytest.raises(BadRequest):
        read_host(host, SITE)


@given(st.text(max_size=60))
def test_any_host_at_all_is_read_or_refused(host: str) -> None:
    try:
        slug, domain = read_host(host, SITE)
    except BadRequest:
        return
    assert slug is None or domain is None


@pytest.mark.parametrize(
    ("path", "slug", "rest"),
    [
        ("/artists", None, "/artists"),
        ("/t/acme/artists", "acme", "/artists"),
        ("/t/acme", "acme", "/"),
        ("/t/acme/", "acme", "/"),
        ("/t//artists", "", "/artists"),
        ("/t/a%2Fb/x", "a%2Fb", "/x"),
        ("/tracks", None, "/tracks"),
    ],
)
def test_a_path_may_begin_with_a_tenant(path: str, slug: str | None, rest: str) -> None:
    assert read_path(path) == (slug, rest)


def test_two_headers_that_differ_are_refused() -> None:
    assert read_header([]) is None
    assert read_header(["Acme", "Acme"]) == "acme"
    with pytest.raises(BadRequest):
        read_header(["acme", "other"])
