"""Point read, list and insert, each asked of the floors and of all three tiers in both lanes."""

from __future__ import annotations

import random
from collections.abc import Callable

from router.words import Tier
from tests.benchmarks.client import request
from tests.benchmarks.rounds import Comparison, Variant, compare, measure
from tests.benchmarks.world import ROWS_EACH, BenchWorld, Server

OPERATIONS = ("point", "list", "insert")
AUTOCOMMIT = "asyncpg in the handler, autocommit"
BARE = "asyncpg in the handler, transaction"
RAW = "floor: asyncpg, transaction"
SESSION = "floor: AsyncSession"
FAST_MAX = 1.4
CONVENIENT_MAX = 1.2
_TRIES = 2
_TOKEN_NOBODY_READS = "x" * 64
_WARM_REQUESTS = 20


async def compare_operation(
    operation: str, world: BenchWorld, floor: Server, gateway: Server, *, rounds: int
) -> list[Comparison]:
    """Measure one operation; a run whose floor differs from itself is measured once more."""
    variants = _variants(operation, world, floor, gateway)
    compared: list[Comparison] = []
    for attempt in range(_TRIES):
        costs = await measure(variants, world.backends, rounds=rounds, is_met=attempt > 0)
        fast = {_named("fast", tier): FAST_MAX for tier in Tier}
        convenient = {_named("convenient", tier): CONVENIENT_MAX for tier in Tier}
        compared = [
            compare(
                f"{operation}, fast lane",
                costs,
                floor=RAW,
                required={AUTOCOMMIT: None, BARE: None, RAW: None, f"{RAW} again": None, **fast},
            ),
            compare(
                f"{operation}, convenient lane",
                costs,
                floor=SESSION,
                required={SESSION: None, f"{SESSION} again": None, **convenient},
            ),
        ]
        if not any(each.is_noisy for each in compared):
            break
    return compared


def _variants(operation: str, world: BenchWorld, floor: Server, gateway: Server) -> list[Variant]:
    floors = {
        AUTOCOMMIT: "autocommit",
        BARE: "bare",
        RAW: "transaction",
        f"{RAW} again": "transaction",
        SESSION: "session",
        f"{SESSION} again": "session",
    }
    variants = [
        Variant(
            name=name,
            server=floor,
            tokens=[_TOKEN_NOBODY_READS] * _WARM_REQUESTS,
            spell=_speller(operation, f"/{path}"),
        )
        for name, path in floors.items()
    ]
    for lane in ("fast", "convenient"):
        variants += [
            Variant(
                name=_named(lane, tier),
                server=gateway,
                tokens=world.tokens[tier],
                spell=_speller(operation, f"/{lane}"),
            )
            for tier in Tier
        ]
    return variants


def _named(lane: str, tier: Tier) -> str:
    return f"{lane} lane, {tier}"


def _speller(operation: str, prefix: str) -> Callable[[str], bytes]:
    def point(token: str) -> bytes:
        number = random.randint(1, ROWS_EACH)
        return request("GET", f"{prefix}/artists/{number}", token=token)

    def page(token: str) -> bytes:
        after = random.randint(0, ROWS_EACH // 2)
        return request("GET", f"{prefix}/artists/after/{after}", token=token)

    def add(token: str) -> bytes:
        return request("POST", f"{prefix}/artists", token=token, body=b'{"name":"One more"}')

    return {"point": point, "list": page, "insert": add}[operation]
