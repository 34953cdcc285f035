"""An application with everybody in it, served without a socket: more cases fit into a second."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fuzz.callers import settle
from tests.fuzz.fuzzing import Fuzzer
from tests.gateways import gateway_world
from tests.isolation.residents import town_of
from tests.plans import roomy_plans
from tests.worlds import Clusters

#: Tries of a password or a code are counted by their source, and all of these come from one.
TRIES_MAX = 10**6


@pytest.fixture(scope="module")
async def fuzzer(clusters: Clusters) -> AsyncIterator[Fuzzer]:
    changes = {"source_tries_max": TRIES_MAX}
    async with (
        gateway_world(clusters, plans=roomy_plans(), changes=changes) as made,
        town_of(made) as town,
    ):
        callers = await settle(town.client)
        yield Fuzzer(made, town.client, callers)
