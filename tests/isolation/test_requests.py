"""The HTTP half: every route, every credential, every place of the identifier, tier by tier."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import AsyncIterator, Callable

import pytest
from httpx import Response

from router.catalog import members
from router.words import Tier
from tests.gateways import bearer, expect, gateway_world
from tests.isolation.residents import Shown, Town, town_of
from tests.isolation.rows import Key
from tests.isolation.siege import Besieger, Place, Siege
from tests.plans import roomy_plans
from tests.scale import scaled, seed
from tests.worlds import Clusters

REQUESTS_A_CALL = 8
LEAKY = "tests.isolation.leaky:product"


@pytest.fixture(scope="session")
async def town(clusters: Clusters) -> AsyncIterator[Town]:
    async with gateway_world(clusters, plans=roomy_plans()) as made, town_of(made) as built:
        await built.settle(Tier)
        yield built


@pytest.mark.parametrize("victim", list(Tier))
@pytest.mark.parametrize("attacker", list(Tier))
async def test_no_request_reaches_another_tenant(
    town: Town, attacker: Tier, victim: Tier, record_property: Callable[[str, object], None]
) -> None:
    drawn, began = seed(), time.monotonic()
    one, other = town.attackers[attacker], town.victims[victim]
    besieger = Besieger(town, one, other, random.Random(drawn))
    siege = await besieger.besiege(requests_a_call=scaled(REQUESTS_A_CALL))
    took_s = time.monotonic() - began
    record_property("attempts", siege.attempts)
    sys.stdout.write(f"{siege.attempts} attempts in {took_s:.1f} s, STEPWELL_TEST_SEED={drawn}\n")
    assert not siege.findings, "\n".join(siege.findings[:20])
    assert siege.calls == {call.name for call in town.document.calls}
    assert siege.shown == set(Shown)
    assert siege.places == set(Place)
    await is_still_at_home(town, siege, attacker)


async def test_a_sample_over_a_real_socket_reaches_nobody_either(town: Town) -> None:
    wired = town.over(town.made.client)
    one, other = town.attackers[Tier.ROWS], town.victims[Tier.SCHEMA]
    siege = await Besieger(wired, one, other, random.Random(seed())).besiege(requests_a_call=4)
    assert not siege.findings, "\n".join(siege.findings[:20])
    assert siege.attempts >= len(town.document.calls)


@pytest.mark.parametrize("victim", list(Tier))
@pytest.mark.parametrize("attacker", list(Tier))
async def test_an_idempotency_key_of_another_tenant_is_a_new_one(
    town: Town, attacker: Tier, victim: Tier
) -> None:
    key = {"Idempotency-Key": f"{attacker} at {victim}"}
    seen: list[Response] = []
    for resident in (town.victims[victim], town.attackers[attacker]):
        headers = bearer(resident.customer.key) | key
        name = {"name": f"kept {resident.held.canary}"}
        seen.append(await town.client.post("/artists", json=name, headers=headers))
        await town.restore(resident)
    assert [answer.status_code for answer in seen] == [201, 201]
    assert "idempotency-replayed" not in seen[1].headers
    assert town.victims[victim].held.canary not in seen[1].text


async def test_a_policy_that_is_gone_is_found(clusters: Clusters) -> None:
    async with gateway_world(clusters, plans=roomy_plans()) as made, town_of(made) as town:
        await town.settle([Tier.ROWS], shared=())
        place = town.victims[Tier.ROWS].held.tenant.placement
        assert place is not None
        async with made.platform.fleet.admin(place.cluster, place.database) as connection:
            await connection.execute("ALTER TABLE shared.artist DISABLE ROW LEVEL SECURITY")
        findings = (await rows_at_rows(town)).findings
    found = {finding.partition(":")[0] for finding in findings}
    by_key = {f"{method} /artists/{{key}}" for method in ("GET", "PATCH", "DELETE")}
    assert by_key | {"rows"} <= found


async def test_a_stranger_among_the_members_is_found(clusters: Clusters) -> None:
    async with gateway_world(clusters, plans=roomy_plans()) as made, town_of(made) as town:
        await town.settle([Tier.ROWS])
        victim, attacker = town.victims[Tier.ROWS], town.attackers[Tier.ROWS]
        async with made.platform.catalog.transaction() as connection:
            await members.add(connection, victim.customer.id, attacker.account_id, role="viewer")
        findings = (await rows_at_rows(town)).findings
    assert any("a stranger was let in" in finding for finding in findings)


async def test_a_new_route_is_attacked_without_an_edit(clusters: Clusters) -> None:
    async with (
        gateway_world(clusters, product=LEAKY, plans=roomy_plans()) as made,
        town_of(made) as town,
    ):
        await town.settle([Tier.ROWS], shared=())
        siege = await rows_at_rows(town)
    assert "GET /remembered/{key}" in siege.calls
    assert siege.findings
    assert {finding.partition(":")[0] for finding in siege.findings} == {"GET /remembered/{key}"}


async def rows_at_rows(town: Town) -> Siege:
    one, other = town.attackers[Tier.ROWS], town.victims[Tier.ROWS]
    besieger = Besieger(town, one, other, random.Random(1))
    return await besieger.besiege(requests_a_call=4)


async def is_still_at_home(town: Town, siege: Siege, attacker: Tier) -> None:
    """An attacker that was locked out in mid-siege would have proved nothing."""
    resident = town.attackers[attacker]
    assert siege.attempts > len(town.document.calls)
    # A person may have ended all of its own sessions; what it was drawn each time is a new one.
    session = await town.credential(Shown.OWNER, resident, resident)
    for token in (session, resident.customer.key, resident.viewer_key):
        answer = await town.client.get("/artists", headers=bearer(token or ""))
        found = [row["artist_id"] for row in expect(answer, 200)["items"]]
        assert Key.MINE in found
        assert resident.held.canary in answer.text
