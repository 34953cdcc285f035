"""What the worker's port says."""

from __future__ import annotations

import httpx
import pytest
from prometheus_client import CollectorRegistry

from deploy.answering import answering
from deploy.stack.ports import LOOPBACK, free_port
from promotion.figures import Figures
from router.errors import Misconfigured


async def test_the_worker_tells_its_figures() -> None:
    registry, port = CollectorRegistry(), free_port()
    figures = Figures(registry)
    figures.decided(12.0, missed=2)
    figures.ended("done")
    async with (
        answering(port, registry),
        httpx.AsyncClient(base_url=f"http://{LOOPBACK}:{port}") as client,
    ):
        assert (await client.get("/healthz")).json() == {"status": "alive"}
        told = (await client.get("/metrics")).text
        assert 'stepwell_moves_total{outcome="done"} 1.0' in told
        assert "stepwell_move_pause_seconds_count 1.0" in told
        assert "stepwell_move_fences_missed_total 2.0" in told
        assert (await client.get("/other")).status_code == 404
        assert (await client.post("/metrics")).status_code == 404


async def test_a_taken_port_is_named() -> None:
    port = free_port()
    async with answering(port, CollectorRegistry()):
        with pytest.raises(Misconfigured, match=str(port)):
            async with answering(port, CollectorRegistry()):
                pass
