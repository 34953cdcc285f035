"""One stack for all of these tests: two gateways, a worker, three demo tenants."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tests.cli.teller import Teller
from tests.cli.worlds import Stack, running, telling
from tests.stack.worlds import open_folder


@pytest.fixture(scope="session")
def teller() -> Generator[Teller]:
    with telling() as made:
        yield made


@pytest.fixture(scope="session")
def stack(teller: Teller) -> Generator[Stack]:
    with open_folder() as folder:
        stack = Stack(teller, folder / "state")
        with running(stack, "--gateways", "2"):
            yield stack
