"""A file is loaded whole or not at all, and what is wrong with it is said with its line."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient

from examples.store.csv_import import FILE_BYTES_MAX, ROWS_AT_ONCE
from examples.store.csv_records import RECORD_CHARS_MAX

GENRES = b"genre_id,name\n1,Rock\n2,Jazz\n"
EMPLOYEE_COLUMNS = (
    "employee_id,last_name,first_name,title,reports_to,birth_date,hire_date,address,city,state,"
    "country,postal_code,phone,fax,email"
)
TRACK_COLUMNS = (
    "track_id,name,album_id,media_type_id,genre_id,composer,milliseconds,bytes,unit_price"
)


def employee(number: int, reports_to: int | str) -> str:
    return f"{number},Adams,Andrew,,{reports_to},1962-02-18 00:00:00,,,,,,,,,"


async def refused(shop: AsyncClient, table: str, data: bytes, *, status: int = 422) -> str:
    """Send a file that can't be loaded; give back what is said about it."""
    answer = await shop.post(f"/import/{table}", content=data)
    assert answer.status_code == status, answer.text
    detail: str = answer.json()["detail"]
    return detail


async def rows_of(shop: AsyncClient, table: str) -> list[str]:
    return (await shop.get(f"/export/{table}")).text.splitlines()[1:]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("x,Song,,1,,,1,1,0.99", "track_id is 'x', but must be a whole number"),
        (",Song,,1,,,1,1,0.99", "track_id is empty, but must have a value"),
        ("2147483648,Song,,1,,,1,1,0.99", "track_id is '2147483648', but must be a whole number"),
        ("1,,,1,,,1,1,0.99", "name is empty, but must have a value"),
        (f"1,{'é' * 201},,1,,,1,1,0.99", "but must have at most 200 characters"),
        ("1,a\x00b,,1,,,1,1,0.99", "but must have no NUL character"),
        ("1,Song,,1,,,1.5,1,0.99", "milliseconds is '1.5', but must be a whole number"),
        ("1,Song,,1,,,1,1,0.999", "unit_price is '0.999', but must be a number"),
        ("1,Song,,1,,,1,1,NaN", "unit_price is 'NaN', but must be a number"),
        ("1,Song,,1,,,1,1,123456789", "unit_price is '123456789', but must be a number"),
        ("1,Song,,1,,,1,1", "8 fields instead of 9"),
        ("1,Song,,1,,,1,1,0.99,", "10 fields instead of 9"),
        ("", "1 fields instead of 9"),
        ("1,Song,,1,,,1,1,-0.99", "the row breaks a rule of track"),
        ("1,Song,,7,,,1,1,0.99", "media_type_id names media_type 7, which is not there"),
        ("1,Song,5,1,,,1,1,0.99", "album_id names album 5, which is not there"),
    ],
)
async def test_a_bad_row_names_its_line(shop: AsyncClient, line: str, fault: str) -> None:
    await shop.post("/import/media_type", content=b"media_type_id,name\n1,MP3\n")
    good = '9,"Two\nlines",,1,,,1,1,0.99'
    data = f"{TRACK_COLUMNS}\n{good}\n{line}\n".encode()
    detail = await refused(shop, "track", data)
    assert detail.startswith("line 4: ")
    assert fault in detail
    assert detail.endswith("Nothing was loaded.")
    assert await rows_of(shop, "track") == []


@pytest.mark.parametrize("moment", ["yesterday", "2021-02-30 00:00:00", "2021-01-01 00:00:00Z"])
async def test_a_moment_that_is_none_names_its_line(shop: AsyncClient, moment: str) -> None:
    line = employee(1, "").replace("1962-02-18 00:00:00", moment)
    detail = await refused(shop, "employee", f"{EMPLOYEE_COLUMNS}\n{line}\n".encode())
    assert detail.startswith(f"line 2: birth_date is '{moment}', but must be a time")


async def test_a_fault_after_full_batches_loads_nothing(shop: AsyncClient) -> None:
    lines = [f"{number},Artist {number}" for number in range(1, 2 * ROWS_AT_ONCE + 2)]
    data = "\n".join(["artist_id,name", *lines, "1,Again"]).encode()
    detail = await refused(shop, "artist", data, status=409)
    line = 2 * ROWS_AT_ONCE + 3
    assert detail == f"line {line}: artist_id 1 is there already. Nothing was loaded."
    assert await rows_of(shop, "artist") == []


async def test_a_second_row_with_a_unique_value_names_its_line(shop: AsyncClient) -> None:
    detail = await refused(shop, "genre", GENRES + b"3,Rock\n", status=409)
    assert detail == "line 4: name Rock is there already. Nothing was loaded."


async def test_a_file_that_was_loaded_is_refused_the_second_time(shop: AsyncClient) -> None:
    assert (await shop.post("/import/genre", content=GENRES)).json() == {"rows": 2}
    detail = await refused(shop, "genre", GENRES, status=409)
    assert detail == "line 2: genre_id 1 is there already. Nothing was loaded."
    assert await rows_of(shop, "genre") == ["1,Rock", "2,Jazz"]


@pytest.mark.parametrize(
    ("header", "named"),
    [
        (b"", "line 1: the file is empty"),
        (b"\n", "line 1: the columns of genre are genre_id,name, not "),
        (b"id,name\n", "not id,name"),
        (b"genre_id\n", "not genre_id"),
        (b"genre_id,name,name\n", "not genre_id,name,name"),
        (b"genre_id;name\n", "not genre_id;name"),
        (b"PK\x03\x04\xff", "line 1: the text is not UTF-8"),
    ],
)
async def test_a_wrong_header_is_told_the_right_columns(
    shop: AsyncClient, header: bytes, named: str
) -> None:
    assert named in await refused(shop, "genre", header)


async def test_columns_may_come_in_any_order(shop: AsyncClient) -> None:
    answer = await shop.post("/import/genre", content=b"\xef\xbb\xbfname,genre_id\r\nRock,1\r\n")
    assert answer.json() == {"rows": 1}
    assert await rows_of(shop, "genre") == ["1,Rock"]


async def test_a_header_alone_loads_no_row(shop: AsyncClient) -> None:
    assert (await shop.post("/import/genre", content=b"genre_id,name")).json() == {"rows": 0}
    assert (await shop.post("/genres", json={"name": "Rock"})).json()["genre_id"] == 1


async def test_a_quoted_line_end_survives_every_cut(shop: AsyncClient) -> None:
    data = 'genre_id,name\n1,"Rock,\n""é"""\n'.encode()

    async def bytewise() -> AsyncIterator[bytes]:
        for at in range(len(data)):
            yield data[at : at + 1]

    answer = await shop.post("/import/genre", content=bytewise())
    assert answer.json() == {"rows": 1}
    assert (await shop.get("/export/genre")).content == data


async def test_an_empty_text_is_not_null(shop: AsyncClient) -> None:
    data = f'{EMPLOYEE_COLUMNS}\n1,"",Andrew,"",,,,,,,,,,,\n'.encode()
    assert (await shop.post("/import/employee", content=data)).json() == {"rows": 1}
    row = (await shop.get("/employees/1")).json()
    assert (row["last_name"], row["title"], row["address"]) == ("", "", None)
    assert (await shop.get("/export/employee")).content == data


async def test_employees_may_report_to_a_later_line(shop: AsyncClient) -> None:
    lines = [employee(3, 2), employee(2, 1), employee(1, 1)]
    data = "\n".join([EMPLOYEE_COLUMNS, *lines]).encode()
    assert (await shop.post("/import/employee", content=data)).json() == {"rows": 3}
    assert await rows_of(shop, "employee") == lines[::-1]


async def test_an_employee_of_nobody_names_its_line(shop: AsyncClient) -> None:
    lines = [employee(3, 2), employee(2, 1), employee(1, 9)]
    detail = await refused(shop, "employee", "\n".join([EMPLOYEE_COLUMNS, *lines]).encode())
    fault = "line 4: reports_to names employee 9, which is not there."
    assert detail == f"{fault} Nothing was loaded."
    assert await rows_of(shop, "employee") == []


async def test_a_record_without_end_is_cut_off(shop: AsyncClient) -> None:
    detail = await refused(shop, "genre", GENRES + b'3,"' + b"x" * RECORD_CHARS_MAX)
    assert detail.startswith(f"line 4: the record is longer than {RECORD_CHARS_MAX} characters")


async def test_a_file_that_is_too_large_is_not_read(shop: AsyncClient) -> None:
    length = {"Content-Length": str(FILE_BYTES_MAX + 1)}
    answer = await shop.post("/import/genre", content=GENRES, headers=length)
    assert answer.status_code == 413


@pytest.mark.parametrize("table", ["genres", "pg_class", "genre%00", "a" * 500])
async def test_files_of_other_tables_are_not_there(shop: AsyncClient, table: str) -> None:
    assert "There is no table" in await refused(shop, table, GENRES, status=404)
    assert (await shop.get(f"/export/{table}")).status_code == 404
