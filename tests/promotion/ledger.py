"""The ledger: what clients of the shop were told, held against what the shop holds in the end."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

Key: TypeAlias = tuple[str, ...]
Row: TypeAlias = tuple[str, ...]
#: What the ledger compares of each table: the columns of its key, and others.
COLUMNS: Final[Mapping[str, tuple[Key, Row]]] = {
    "artist": (("artist_id",), ("name",)),
    "invoice": (("invoice_id",), ("customer_id", "total")),
    "invoice_line": (("invoice_line_id",), ("invoice_id", "track_id", "quantity")),
    "playlist_track": (("playlist_id", "track_id"), ()),
}
_TOLD_MAX = 20


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request that was answered: when it began, and how long it took."""

    began_s: float
    took_s: float
    is_write: bool


class Ledger:
    """What the shop holds, as far as its clients were told."""

    def __init__(self) -> None:
        #: None is a row that is gone. A row with two states is one whose writer had no answer.
        self.states: dict[str, dict[Key, set[Row | None]]] = {table: {} for table in COLUMNS}
        #: Appends without an answer: there may be a row that nobody knows.
        self.unknown: dict[str, int] = dict.fromkeys(COLUMNS, 0)
        #: Artists whose end was asked for.
        self.leaving: set[int] = set()
        self.asked: list[Asked] = []
        self.failed: list[str] = []
        self.in_doubt: list[str] = []
        self.stale: list[str] = []
        self.doubled: list[str] = []

    @property
    def written(self) -> int:
        """How many writes were acknowledged."""
        return sum(each.is_write for each in self.asked)

    @property
    def slowest_s(self) -> float:
        """How long the slowest request took."""
        return max((each.took_s for each in self.asked), default=0.0)

    def know(self, table: str, key: Key, row: Row | None) -> None:
        """Write down what was acknowledged."""
        self.states[table][key] = {row}

    def append(self, table: str, key: Key, row: Row) -> None:
        """Write down a new row, whose number nobody may have had before."""
        if key in self.states[table]:
            self.doubled.append(f"{table} {key} was given out twice")
        self.know(table, key, row)

    def doubt(self, table: str, key: Key, row: Row | None) -> None:
        """Write down what may have happened, for a request without an answer."""
        self.states[table].setdefault(key, set()).add(row)

    def differences(self, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
        """Compare what was there before and what clients were told with what is there now."""
        found = [each for table in COLUMNS for each in self._differ(table, before, after)]
        shown = [*self.failed, *self.stale, *self.doubled, *found]
        return shown[:_TOLD_MAX] + (
            [f"and {len(shown) - _TOLD_MAX} more"] * (len(shown) > _TOLD_MAX)
        )

    def _differ(
        self, table: str, before: Mapping[str, bytes], after: Mapping[str, bytes]
    ) -> list[str]:
        expected: dict[Key, set[Row | None]] = {
            key: {row} for key, row in read_export(table, before[table])
        }
        expected.update(self.states[table])
        told: list[str] = []
        found: dict[Key, Row] = {}
        for key, row in read_export(table, after[table]):
            if key in found:
                told.append(f"{table} {key} is there twice")
            found[key] = row
        for key, states in expected.items():
            if found.get(key) not in states:
                told.append(f"{table} {key} is {found.get(key)}, and was acknowledged as {states}")
        surplus = [key for key in found if key not in expected]
        if len(surplus) > self.unknown[table]:
            told.append(f"{table} has rows that nobody wrote: {surplus[:5]}")
        return told


def read_export(table: str, content: bytes) -> list[tuple[Key, Row]]:
    """Read the columns that the ledger compares."""
    key_names, names = COLUMNS[table]
    return [
        (tuple(line[name] for name in key_names), tuple(line[name] for name in names))
        for line in csv.DictReader(io.StringIO(content.decode(), newline=""))
    ]
