"""Lists that are longer than a page of the catalog's."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from router.catalog.catalog import PAGE_ITEMS_MAX

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from router.catalog.catalog import Page

_T = TypeVar("_T")


async def first_items(
    ask: Callable[[str | None, int], Awaitable[Page[_T]]], items_max: int
) -> list[_T]:
    """Ask for page after page, by a cursor and a number of items, until there are enough."""
    found: list[_T] = []
    cursor: str | None = None
    while len(found) < items_max:
        page = await ask(cursor, min(PAGE_ITEMS_MAX, items_max - len(found)))
        found += page.items
        if (cursor := page.next) is None:
            break
    return found
