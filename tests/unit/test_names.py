"""Slugs and identifiers: what may be a name, and that a name can't become anything else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import Unprocessable
from router.names import RESERVED_SLUGS, check_slug, is_identifier, is_slug, quote, random_name


@pytest.mark.parametrize("slug", ["abc", "a-b-c", "a1b", "x" * 40, "123"])
def test_a_slug_is_one_dns_label(slug: str) -> None:
    assert check_slug(slug) == slug


@pytest.mark.parametrize(
    "slug",
    [
        "",
        "ab",
        "x" * 41,
        "Abc",
        "a_b",
        "-ab",
        "ab-",
        "a--b",
        "a.b",
        "a b",
        "ünï",
        "abc\n",
        "a/b",
        "xn--a",
    ],
)
def test_what_is_no_slug_is_refused_with_a_sentence(slug: str) -> None:
    with pytest.raises(Unprocessable, match="the slug"):
        check_slug(slug)


@pytest.mark.parametrize("slug", sorted(RESERVED_SLUGS))
def test_reserved_slugs_are_refused(slug: str) -> None:
    with pytest.raises(Unprocessable):
        check_slug(slug)


@given(st.text())
def test_a_text_that_passes_for_a_slug_is_safe_in_host_path_and_sql(text: str) -> None:
    if is_slug(text):
        assert text.isascii()
        assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert not text.startswith("-")
        assert not text.endswith("-")


@given(st.text().filter(lambda text: "\x00" not in text))
def test_a_quoted_identifier_can_not_be_left(text: str) -> None:
    quoted = quote(text)
    assert quoted[0] == quoted[-1] == '"'
    assert quoted[1:-1].replace('""', "").count('"') == 0


def test_names_that_we_draw_are_identifiers_and_differ() -> None:
    names = {random_name("s_") for _ in range(1_000)}
    assert len(names) == 1_000
    assert all(is_identifier(name) for name in names)
