"""What meters counted."""

from __future__ import annotations

from deploy.stand_in.books import Books
from deploy.stand_in.objects import Meter, MeterReading


def total(books: Books, meter: Meter, customer: str, *, start: int, end: int) -> float:
    """Return what a meter says of a customer from ``start`` up to ``end``."""
    values = [
        reading.value
        for reading in books.store.oldest(MeterReading, owner=customer)
        if reading.event_name == meter.event_name and start <= reading.timestamp < end
    ]
    match meter.default_aggregation.formula:
        case "count":
            return float(len(values))
        case "last":
            return values[-1] if values else 0.0
        case _:
            return float(sum(values))


def counted(books: Books, meter: str, customer: str, *, start: int, end: int) -> int:
    """Return the whole units that are charged."""
    return round(total(books, books.get(Meter, meter), customer, start=start, end=end))
