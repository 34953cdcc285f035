"""A cluster's page: its server as it is now, and the words for what isn't known."""

from __future__ import annotations

from datetime import timedelta

from deploy.servers import measure_due
from tests.gateways import Customer, GatewayWorld, expect
from tests.web.surfing import Surfer


async def test_a_cluster_shows_who_is_connected_and_who_lives_there(
    made: GatewayWorld, observer: Surfer, shop: Customer
) -> None:
    expect(await made.client.get("/artists", headers=shop.headers), 200)
    await measure_due(made.platform, every=timedelta(seconds=-1))
    answer = await observer.get("/console/clusters/shared-1")
    assert answer.status_code == 200
    for said in ("stepwell_app", "Connections now", "PostgreSQL", "The largest databases", "rows"):
        assert said in observer.text
    # Other tests move tenants of this world.
    is_still = "Nobody leaves it or comes to it" in observer.text
    assert is_still != ('data-label="Move"' in observer.text)
    assert "couldn't be reached" not in observer.text


async def test_a_cluster_that_is_not_there_is_a_page_that_says_so(observer: Surfer) -> None:
    assert (await observer.get("/console/clusters/nowhere")).status_code == 404
