"""The CSV dialect: whatever is written is read again, wherever the text was cut."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from examples.store.csv_records import (
    RECORD_CHARS_MAX,
    BadCsv,
    Reader,
    Record,
    record_text,
    records,
)

TROUBLE = st.text(st.sampled_from('a",\r\n é\ufeff'), max_size=8)
FIELDS = st.lists(st.none() | TROUBLE | st.text(max_size=12), min_size=1, max_size=5)
FILES = st.lists(FIELDS, max_size=6)
CUTS = st.lists(st.integers(0, 400), max_size=12)


def pieces(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


async def arriving(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def read(chunks: Iterable[bytes]) -> list[Record]:
    return [record async for record in records(arriving(chunks))]


@settings(deadline=None)
@given(file=FILES, cuts=CUTS)
@example(file=[["a\r\nb", None], ["", '"']], cuts=[1, 2, 3, 4, 5, 6])
async def test_records_survive_a_round_trip_in_pieces(
    file: list[list[str | None]], cuts: list[int]
) -> None:
    data = "".join(map(record_text, file)).encode()
    if not data.startswith("\ufeff".encode()):
        assert [record.fields for record in await read(pieces(data, cuts))] == file


@settings(deadline=None)
@given(text=st.text(st.sampled_from('a",\r\n'), max_size=20), cuts=CUTS)
async def test_any_text_is_read_the_same_however_it_is_cut(text: str, cuts: list[int]) -> None:
    assert await outcome([text.encode()]) == await outcome(pieces(text.encode(), cuts))


async def outcome(chunks: Iterable[bytes]) -> tuple[list[Record], str]:
    found: list[Record] = []
    try:
        async for record in records(arriving(chunks)):
            found.append(record)  # noqa: PERF401 - what came before the fault counts too
    except BadCsv as error:
        return found, str(error)
    return found, ""


async def test_a_record_knows_the_line_it_begins_on() -> None:
    found = await read([b'a,b\n"x\n', b'y\nz",1\r\n', b"2,3"])
    assert [(record.line, record.fields) for record in found] == [
        (1, ["a", "b"]),
        (2, ["x\ny\nz", "1"]),
        (5, ["2", "3"]),
    ]


async def test_a_byte_order_mark_is_no_part_of_the_first_field() -> None:
    assert [record.fields for record in await read([b"\xef", b"\xbb\xbfa\n"])] == [["a"]]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b'a\nb"c"\n', "line 2: field 1 has a quote or a line end in the wrong place"),
        (b'a,"b"c\n', "line 1: field 2 has a quote or a line end in the wrong place"),
        (b"a\rb\n", "line 1: field 1 has a quote or a line end in the wrong place"),
        (b'a\n\n"b\n', "line 3: a quoted field has no end"),
        (b"a\n\xff\n", "line 2: the text is not UTF-8"),
        (b"a\n\xc3", "line 2: the text is not UTF-8"),
        (b'a\n"b\n\xff', "line 3: the text is not UTF-8"),
    ],
)
async def test_text_that_is_no_csv_names_its_line(text: bytes, fault: str) -> None:
    with pytest.raises(BadCsv, match="line") as caught:
        await read([text])
    assert str(caught.value) == fault


def test_an_open_quote_does_not_fill_the_memory() -> None:
    reader = Reader()
    list(reader.feed('a\n"'))
    list(reader.feed("x" * (RECORD_CHARS_MAX - 1)))
    with pytest.raises(BadCsv, match=f"line 2: .* longer than {RECORD_CHARS_MAX} characters"):
        list(reader.feed("x"))
