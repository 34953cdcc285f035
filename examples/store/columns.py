"""What a column may hold, said once: tables read it as a type, requests as a limit."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final

from msgspec import Meta
from sqlalchemy import DateTime, Integer, Numeric, String
from sqlalchemy.types import TypeEngine

INTEGER_MIN: Final = -(2**31)
INTEGER_MAX: Final = 2**31 - 1
MONEY_PRECISION: Final = 10
MONEY_SCALE: Final = 2
MONEY_MAX: Final = Decimal(10) ** (MONEY_PRECISION - MONEY_SCALE) - Decimal("0.01")

# PostgreSQL's text can hold every character but this one.
NO_NUL: Final = r"^[^\x00]*$"

Text10 = Annotated[str, Meta(max_length=10, pattern=NO_NUL)]
Text20 = Annotated[str, Meta(max_length=20, pattern=NO_NUL)]
Text24 = Annotated[str, Meta(max_length=24, pattern=NO_NUL)]
Text30 = Annotated[str, Meta(max_length=30, pattern=NO_NUL)]
Text40 = Annotated[str, Meta(max_length=40, pattern=NO_NUL)]
Text60 = Annotated[str, Meta(max_length=60, pattern=NO_NUL)]
Text70 = Annotated[str, Meta(max_length=70, pattern=NO_NUL)]
Text80 = Annotated[str, Meta(max_length=80, pattern=NO_NUL)]
Text120 = Annotated[str, Meta(max_length=120, pattern=NO_NUL)]
Text160 = Annotated[str, Meta(max_length=160, pattern=NO_NUL)]
Text200 = Annotated[str, Meta(max_length=200, pattern=NO_NUL)]
Text220 = Annotated[str, Meta(max_length=220, pattern=NO_NUL)]
Whole = Annotated[int, Meta(ge=INTEGER_MIN, le=INTEGER_MAX)]
Count = Annotated[int, Meta(ge=0, le=INTEGER_MAX)]
Quantity = Annotated[int, Meta(ge=1, le=INTEGER_MAX)]
# Money is a JSON string, because a JSON number loses cents on its way through floats.
Money = Annotated[
    Decimal,
    Meta(description="An amount of money as a string with at most two decimals, like 0.99."),
]
# The shop's own wall clock: Chinook's timestamps carry no zone.
Moment = Annotated[datetime, Meta(tz=False)]

COLUMN_TYPES: Final[dict[object, TypeEngine[Any]]] = {
    Text10: String(10),
    Text20: String(20),
    Text24: String(24),
    Text30: String(30),
    Text40: String(40),
    Text60: String(60),
    Text70: String(70),
    Text80: String(80),
    Text120: String(120),
    Text160: String(160),
    Text200: String(200),
    Text220: String(220),
    Whole: Integer(),
    Count: Integer(),
    Quantity: Integer(),
    Money: Numeric(MONEY_PRECISION, MONEY_SCALE),
    Moment: DateTime(),
}


def is_money(amount: Decimal) -> bool:
    """Whether the database would store exactly this amount: finite, whole cents, not negative."""
    exponent = amount.as_tuple().exponent
    # A zero may carry any exponent, so the size alone does not keep 0E-99999 out.
    return (
        isinstance(exponent, int)
        and -MONEY_SCALE <= exponent < MONEY_PRECISION
        and 0 <= amount <= MONEY_MAX
    )
