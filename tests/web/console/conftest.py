"""Somebody of the staff who looks, and somebody who changes."""

from __future__ import annotations

import pytest

from tests.gateways import GatewayWorld
from tests.web.surfing import Surfer
from tests.web.test_console import staff


@pytest.fixture(scope="package")
async def operator(made: GatewayWorld) -> Surfer:
    return await staff(made, "operator")


@pytest.fixture(scope="package")
async def observer(made: GatewayWorld) -> Surfer:
    return await staff(made, "observer")
