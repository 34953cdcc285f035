"""Processes die, the ledger doesn't: gateways and Valkey are killed while people call."""

from __future__ import annotations

import asyncio
import random
import time

import msgspec

from router.words import TenantId
from tests.billing.usage.processes import Callers, Process, processes
from tests.billing.usage.worlds import Books, Valkey, books
from tests.gateways import GatewayWorld, bearer, client_of, expect, gateway_world, sign_up
from tests.scale import scaled, seed
from tests.worlds import Clusters

SEED = seed()
FLUSH_S = 1.0
#: From a kill back to the last flush that can have been whole: it takes its time, too.
UNRECORDED_S = FLUSH_S + 0.5
#: Until every total was told to Redis.
QUIET_S = 8.0
CALLERS_EACH = 4
LIMIT = 5_000
LIMIT_KILLED = 2_000
#: Nothing but the month holds these callers.
FREE = {"api_calls_per_month": 1_000_000, "requests_per_second": 100_000, "requests_at_once": 100}
_LIMIT = """
    INSERT INTO catalog.limit_override (id, tenant_id, limits, reason, made_by)
    VALUES (gen_random_uuid(), $1, $2::text::jsonb, 'a test asks for it', 'test')
"""


async def test_kills_lose_at_most_a_second_and_never_count_twice(
    clusters: Clusters, valkey: Valkey
) -> None:
    dice = random.Random(SEED)
    async with gateway_world(clusters, changes={"redis_url": valkey.url}) as world:
        customer = await sign_up(world.client)
        await give(world, customer.id, FREE)
        async with processes(world.settings, 2) as made:
            callers = Callers(made, bearer(customer.key))
            may_be_lost = 0
            async with callers.calling(CALLERS_EACH):
                for _ in range(scaled(4)):
                    await asyncio.sleep(dice.uniform(0.5, 2.5))
                    match dice.choice(["gateway", "gateway", "valkey", "forget"]):
                        case "gateway":
                            may_be_lost += await killed(dice.choice(made), callers)
                        case "valkey":
                            await valkey.stop()
                            await asyncio.sleep(dice.uniform(0, 1))
                            await valkey.start()
                        case _:
                            await valkey.forget()
            admitted = callers.admitted()
            await asyncio.sleep(QUIET_S)
            recorded = await even_books(world, customer.id)
            # An answer that a killed gateway's caller never got may be in the ledger.
            unheard = 2 * CALLERS_EACH * scaled(4)
            assert admitted - may_be_lost <= recorded <= admitted + unheard, f"seed {SEED}"
            for process in made:
                async with client_of(process.port) as client:
                    expect(await client.get("/artists", headers=bearer(customer.key)), 200)
            await asyncio.sleep(QUIET_S)
            assert await even_books(world, customer.id) == recorded + 2
            used, _ = await valkey.stand(customer.id)
            assert used == recorded + 2


async def test_sixteen_callers_of_two_processes_get_exactly_the_limit(
    clusters: Clusters, valkey: Valkey
) -> None:
    async with gateway_world(clusters, changes={"redis_url": valkey.url}) as world:
        customer = await sign_up(world.client)
        await give(world, customer.id, FREE | {"api_calls_per_month": LIMIT})
        async with processes(world.settings, 2) as made:
            # From then on Redis grants: until then it is too young to know of everybody.
            await asyncio.sleep(QUIET_S)
            callers = Callers(made, bearer(customer.key))
            async with callers.calling(8), asyncio.timeout(120):
                while callers.admitted() < LIMIT:
                    await asyncio.sleep(0.1)
                # Whoever comes now gets nothing, however often.
                await asyncio.sleep(2)
            assert callers.admitted() == LIMIT
            await asyncio.sleep(QUIET_S)
            assert await even_books(world, customer.id) == LIMIT
            assert await valkey.stand(customer.id) == (LIMIT, 0)


async def test_a_killed_gateway_gives_away_no_more_than_it_had_not_recorded(
    clusters: Clusters, valkey: Valkey
) -> None:
    dice = random.Random(SEED)
    async with gateway_world(clusters, changes={"redis_url": valkey.url}) as world:
        customer = await sign_up(world.client)
        await give(world, customer.id, FREE | {"api_calls_per_month": LIMIT_KILLED})
        async with processes(world.settings, 2) as made:
            await asyncio.sleep(QUIET_S)
            callers, unrecorded = Callers(made, bearer(customer.key)), 0
            async with callers.calling(CALLERS_EACH), asyncio.timeout(150):
                while callers.admitted() < LIMIT_KILLED - 500:
                    await asyncio.sleep(dice.uniform(0.5, 2))
                    unrecorded += await killed(dice.choice(made), callers)
                while not callers.refused_lately():
                    await asyncio.sleep(0.1)
            await asyncio.sleep(QUIET_S)
            recorded = await even_books(world, customer.id)
            assert recorded <= LIMIT_KILLED, f"seed {SEED}"
            assert callers.admitted() <= recorded + unrecorded, f"seed {SEED}"


async def killed(process: Process, callers: Callers) -> int:
    """Kill a process and start it anew; returns how many answers it may not have recorded."""
    await process.end()
    found = callers.admitted(process.port, since_s=time.monotonic() - UNRECORDED_S)
    await process.start()
    return found


async def give(world: GatewayWorld, tenant_id: TenantId, limits: dict[str, int]) -> None:
    async with world.platform.catalog.connection() as connection:
        await connection.execute(_LIMIT, tenant_id, msgspec.json.encode(limits).decode())


async def even_books(world: GatewayWorld, tenant_id: TenantId) -> int:
    found = await books(world.platform.catalog, tenant_id)
    assert found == Books(events=found.events, hours=found.events, months=found.events)
    return found.events
