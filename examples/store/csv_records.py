"""CSV, one record at a time: text that arrives in pieces becomes numbered records.

The dialect is RFC 4180 as PostgreSQL's COPY reads it: an empty field is null, and a quoted
empty field is an empty text, so whatever a table holds survives a round trip.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Final

from msgspec import Struct

RECORD_CHARS_MAX: Final = 65_536
FIELD: Final = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r?\n|\r?\Z)')
QUOTED: Final = re.compile(r'[",\r\n]')


class BadCsv(Exception):
    """The text is no CSV, from this line on."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class Record(Struct, frozen=True, kw_only=True):
    """The fields between two line ends; `line` is where the record begins."""

    line: int
    fields: list[str | None]


class Reader:
    """Cuts text into records wherever a line ends outside of quotes."""

    def __init__(self) -> None:
        self._line = 1
        self._pieces: list[str] = []
        self._chars = 0
        self._quotes = 0

    @property
    def line(self) -> int:
        """The line that is being read."""
        return self._line + sum(piece.count("\n") for piece in self._pieces)

    def feed(self, text: str) -> Iterator[Record]:
        """Yield the records that this piece completes."""
        start = 0
        while end := text.find("\n", start) + 1:
            self._keep(text[start:end])
            start = end
            # An even number of quotes: the line end stands outside of them.
            if self._quotes % 2 == 0:
                yield self._record()
        self._keep(text[start:])

    def close(self) -> Iterator[Record]:
        """Yield the last record, which needs no line end."""
        if self._quotes % 2:
            raise BadCsv(self._line, "a quoted field has no end")
        if self._chars:
            yield self._record()

    def _keep(self, piece: str) -> None:
        self._pieces.append(piece)
        self._chars += len(piece)
        self._quotes += piece.count('"')
        if self._chars > RECORD_CHARS_MAX:
            reason = (
                f"the record is longer than {RECORD_CHARS_MAX} characters; is a quote left open?"
            )
            raise BadCsv(self._line, reason)

    def _record(self) -> Record:
        text = "".join(self._pieces)
        record = Record(line=self._line, fields=fields_of(text, self._line))
        self._line += text.count("\n")
        self._pieces.clear()
        self._chars = self._quotes = 0
        return record


def fields_of(text: str, line: int) -> list[str | None]:
    """Take one record apart."""
    fields: list[str | None] = []
    end = 0
    while found := FIELD.match(text, end):
        quoted, plain, separator = found.groups()
        fields.append((plain or None) if quoted is None else quoted.replace('""', '"'))
        end = found.end()
        if separator != ",":
            break
    if found is None or end != len(text):
        raise BadCsv(line, f"field {len(fields) + 1} has a quote or a line end in the wrong place")
    return fields


def record_text(fields: Iterable[str | None]) -> str:
    """Write one record, quoted only where it must be, as Python's csv module does."""
    return ",".join(map(field_text, fields)) + "\n"


def field_text(field: str | None) -> str:
    """Nothing is put before a leading `=` or `+`: a file must give back what was stored, and
    whoever opens it in a spreadsheet should import its columns as text.
    """
    if field is None:
        return ""
    if not field or QUOTED.search(field):
        return '"' + field.replace('"', '""') + '"'
    return field


async def records(chunks: AsyncIterator[bytes]) -> AsyncIterator[Record]:
    """Read UTF-8, with or without a byte order mark; a chunk may end anywhere."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    reader = Reader()
    try:
        async for chunk in chunks:
            for record in reader.feed(decoder.decode(chunk)):
                yield record
        for record in reader.feed(decoder.decode(b"", final=True)):
            yield record
    except UnicodeDecodeError as error:
        line = reader.line + error.object[: error.start].count(b"\n")
        raise BadCsv(line, "the text is not UTF-8") from error
    for record in reader.close():
        yield record
