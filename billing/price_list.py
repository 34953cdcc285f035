"""The shipped price list, read from price_list.toml."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import msgspec

from router.words import Plan


class _PriceList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    plan: list[Plan]


def read_price_list() -> tuple[Plan, ...]:
    """Return every plan of the price list, cheapest first."""
    text = files("billing").joinpath("price_list.toml").read_text()
    return tuple(msgspec.convert(tomllib.loads(text), _PriceList).plan)
