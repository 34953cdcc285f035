"""Random transactions over the tables of knots.py: small keys, so that they meet each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from router.errors import PlatformError
from router.sql import load
from router.words import Consistency, Mode

if TYPE_CHECKING:
    from random import Random

    from tests.promotion.following import Chase

_DEEDS = tuple(load("tests.promotion", "deeds.sql").values())
_LEVELS = [*Consistency, *[Consistency.READ_COMMITTED] * 4]
_CODES = ("'none'", "'a'", "'b'", "'c'", "'d'")
_TEXTS = ("'red'", "'blue'", "'green'", "'x''y'", "'\\'", "'ü'")
_PLACES = ("1", "1.0", "2", "3.50")


def draw_deeds(dice: Random) -> list[str]:
    """Draw the statements of one transaction."""
    deeds = [dice.choice(_DEEDS).format(**_draw_values(dice)) for _ in range(dice.randint(1, 8))]
    if dice.random() < 0.4:
        deeds.insert(0, "SET CONSTRAINTS ALL DEFERRED")
    return deeds


async def do(chase: Chase, deeds: list[str], dice: Random) -> bool:
    """Run a transaction, each statement in a subtransaction; tells whether it was kept."""
    try:
        lease = await chase.world.dispatch.open(chase.tenant, Mode.WRITE, dice.choice(_LEVELS))
    except PlatformError:
        return False
    try:
        for deed in deeds:
            await lease.execute("SAVEPOINT deed")
            try:
                await lease.execute(deed)
            except asyncpg.IntegrityConstraintViolationError:
                await lease.execute("ROLLBACK TO deed")
            else:
                # Some of what went well is taken back too.
                await lease.execute("ROLLBACK TO deed" if dice.random() < 0.1 else "RELEASE deed")
        if dice.random() < 0.1:
            await lease.rollback()
            return False
        await lease.commit()
    except (asyncpg.PostgresError, PlatformError):
        await lease.rollback()
        return False
    return True


def _draw_values(dice: Random) -> dict[str, str]:
    number, other_number = str(dice.randint(1, 5)), str(dice.randint(1, 5))
    code, text = dice.choice(_CODES), dice.choice(_TEXTS)
    return {
        "number": number,
        "other_number": other_number,
        "some_number": _or_null(dice, other_number),
        "code": code,
        "other_code": dice.choice(_CODES),
        "some_code": _or_null(dice, code),
        "text": text,
        "some_text": _or_null(dice, text),
        "list": dice.choice(["'l'", "'m'"]),
        "place": dice.choice(_PLACES),
        "other_place": dice.choice(_PLACES),
        "bit": dice.choice("01"),
    }


def _or_null(dice: Random, value: str) -> str:
    return value if dice.random() < 0.7 else "NULL"
