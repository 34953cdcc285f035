"""Lists of the command line that are longer than one page."""

from __future__ import annotations

from deploy.cli.paging import first_items
from router.catalog.catalog import PAGE_ITEMS_MAX, Page


class Numbers:
    """Counts from nought; the cursor is the next number."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.asked: list[int] = []

    async def page(self, cursor: str | None, items_max: int) -> Page[int]:
        self.asked.append(items_max)
        first = int(cursor or 0)
        last = min(first + items_max, self.end)
        return Page(items=tuple(range(first, last)), next=str(last) if last < self.end else None)


async def test_pages_are_asked_for_until_there_are_enough() -> None:
    numbers = Numbers(1_000)
    wanted = PAGE_ITEMS_MAX * 2 + 1
    assert await first_items(numbers.page, wanted) == [*range(wanted)]
    assert numbers.asked == [PAGE_ITEMS_MAX, PAGE_ITEMS_MAX, 1]


async def test_a_list_ends_before_there_are_so_many() -> None:
    numbers = Numbers(PAGE_ITEMS_MAX)
    assert await first_items(numbers.page, 10_000) == [*range(PAGE_ITEMS_MAX)]
    assert numbers.asked == [PAGE_ITEMS_MAX]
    assert await first_items(Numbers(0).page, 10) == []
