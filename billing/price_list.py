"""The shipped price list, read from price_list.toml."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Annotated

import msgspec
from msgspec import Meta

from billing.seen import Charge, Interval
from router.words import Limits, Plan, Tier


class ListedPrice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a plan costs. ``amount`` is in the currency's minor unit.

    The lookup key names the price at the provider, whose id it leads to; a new amount under an
    old key is a new price, and whoever bought the old one keeps it.
    """

    lookup_key: Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,59}$")]
    charge: Charge = Charge.PLAN
    currency: Annotated[str, Meta(pattern="^[a-z]{3}$")]
    amount: Annotated[int, Meta(ge=0)]
    interval: Interval
    #: For what is charged by usage: the metric whose units are counted.
    metric: str | None = None


class ListedPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One plan. ``is_contract``: it is agreed with sales, nobody buys it alone."""

    name: str
    title: str
    version: int
    tier: Tier
    limits: Limits
    is_contract: bool = False
    trial_days: int | None = None
    price: tuple[ListedPrice, ...] = ()

    @property
    def plan(self) -> Plan:
        """The plan as the catalog keeps it."""
        return Plan(name=self.name, version=self.version, tier=self.tier, limits=self.limits)


class _PriceList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    plan: tuple[ListedPlan, ...]


@cache
def listed_plans() -> tuple[ListedPlan, ...]:
    """Return every plan of the price list with its prices, cheapest first."""
    text = files("billing").joinpath("price_list.toml").read_text()
    return msgspec.convert(tomllib.loads(text), _PriceList).plan


def read_price_list() -> tuple[Plan, ...]:
    """Return every plan of the price list, cheapest first."""
    return tuple(listed.plan for listed in listed_plans())
