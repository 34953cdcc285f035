from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import SettingsWrong
from router.sealing import Sealer, derive_password, hash_token
from router.sql import load

OLD, NEW = b"o" * 32, b"n" * 40


@given(plain=st.binary(max_size=2_000), purpose=st.text(max_size=50))
def test_what_is_sealed_unseals(plain: bytes, purpose: str) -> None:
    sealer = Sealer([NEW])
    sealed = sealer.seal(plain, purpose=purpose)
    assert sealer.unseal(sealed, purpose=purpose) == plain
    assert sealer.seal(plain, purpose=purpose) != sealed


def test_what_an_old_key_sealed_unseals_and_the_new_key_seals() -> None:
    sealed = Sealer([OLD]).seal(b"value", purpose="p")
    rotated = Sealer([NEW, OLD])
    assert rotated.unseal(sealed, purpose="p") == b"value"
    with pytest.raises(SettingsWrong, match="add the old key"):
        Sealer([NEW]).unseal(sealed, purpose="p")
    assert Sealer([NEW]).unseal(rotated.seal(b"value", purpose="p"), purpose="p") == b"value"


@given(position=st.integers(min_value=0, max_value=36), bit=st.integers(min_value=0, max_value=7))
def test_whatever_bit_is_changed_nothing_unseals(position: int, bit: int) -> None:
    sealer = Sealer([NEW])
    sealed = bytearray(sealer.seal(b"four", purpose="p"))
    sealed[position] ^= 1 << bit
    with pytest.raises(SettingsWrong):
        sealer.unseal(bytes(sealed), purpose="p")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" * 16, b"\x02" + b"x" * 60])
def test_what_was_never_sealed_is_refused(sealed: bytes) -> None:
    with pytest.raises(SettingsWrong):
        Sealer([NEW]).unseal(sealed, purpose="p")


def test_a_value_moved_to_another_purpose_does_not_unseal() -> None:
    sealer = Sealer([NEW])
    sealed = sealer.seal(b"value", purpose="cluster a")
    with pytest.raises(SettingsWrong, match="belongs to something else"):
        sealer.unseal(sealed, purpose="cluster b")


@pytest.mark.parametrize("keys", [[], [b"short"], [NEW, b"short"]])
def test_a_weak_secret_key_is_refused(keys: list[bytes]) -> None:
    with pytest.raises(SettingsWrong, match="at least 32 random bytes"):
        Sealer(keys)


def test_a_password_is_the_same_each_time_and_another_for_each_label() -> None:
    password = derive_password(NEW, "login a b")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", password)
    assert password == derive_password(NEW, "login a b")
    assert (
        len({password, derive_password(NEW, "login a c"), derive_password(OLD, "login a b")}) == 3
    )


def test_a_token_is_hashed_whatever_it_holds() -> None:
    assert len({hash_token(token) for token in ("", "a", "\ud800", "\x00")}) == 4


def test_statements_are_found_by_their_names() -> None:
    loaded = load("router.catalog", "plans.sql")
    assert loaded["find"].startswith("SELECT p.name")
    assert not any("-- name" in text for text in loaded.values())
