"""Generated rows stand in for the real ones wherever those are absent."""

from __future__ import annotations

from decimal import Decimal

from httpx import AsyncClient

from examples.store.generate import Size, generate, generate_csv


def test_a_seed_always_gives_the_same_rows() -> None:
    assert generate_csv(seed=3) == generate_csv(seed=3)
    assert generate_csv(seed=3) != generate_csv(seed=4)


def test_the_size_is_kept() -> None:
    rows = generate(size=Size(artists=3, albums_an_artist=2, tracks_an_album=4, customers=1))
    assert [len(rows[name]) for name in ("artist", "album", "track", "customer")] == [3, 6, 24, 1]


async def test_generated_files_come_back_byte_for_byte(shop: AsyncClient) -> None:
    files = generate_csv(seed=5)
    for table, data in files.items():
        answer = await shop.post(f"/import/{table}", content=data)
        assert answer.status_code == 201, answer.text
    for table, data in files.items():
        assert (await shop.get(f"/export/{table}")).content == data, table
    total = sum(Decimal(str(row["total"])) for row in generate(seed=5)["invoice"])
    assert (await shop.get("/reports/revenue")).json()["total"] == str(total)
