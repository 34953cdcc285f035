"""The servers that all tests of one process share; each test builds a world of its own in them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tests.stack.worlds import open_folder
from tests.worlds import Clusters, running_clusters

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

#: What takes long comes first, and the short files fill what is left at the end: they are handed
#: out in this order, a whole file to one process.
_LONG_FIRST = (
    "tests/promotion/test_killed.py",
    "tests/fuzz/",
    "tests/promotion/test_killed_ends.py",
    "tests/promotion/test_superseded.py",
    "tests/promotion/test_zombies.py",
    "tests/isolation/",
    "tests/promotion/",
    "tests/web/browser/",
    "tests/archive/",
    "tests/migrations/",
    "tests/cli/",
    "tests/billing/",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files; the tests of one file stay as they stand."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    matching = [place for place, path in enumerate(_LONG_FIRST) if item.nodeid.startswith(path)]
    return min(matching, default=len(_LONG_FIRST))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def clusters() -> AsyncGenerator[Clusters]:
    """Two PostgreSQL clusters, started when the first test asks for them."""
    with open_folder() as folder:
        async with running_clusters(Path(folder)) as running:
            yield running
