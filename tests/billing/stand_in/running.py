"""A stand-in as a real process, and the deeds of a test around it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from time import monotonic

import httpx
import msgspec

from deploy.stack.ports import LOOPBACK, free_port

ROOT = Path(__file__).parents[3]
API_KEY = "sk_test_stand_in"
WEBHOOK_SECRET = "whsec_stand_in"
START_S = 30.0


class StandIn(msgspec.Struct, frozen=True, kw_only=True):
    """A running stand-in."""

    url: str
    api_key: str
    webhook_secret: str
    pid: int

    async def control(self, deed: str, switch: dict[str, object]) -> dict[str, object]:
        """Use the private address."""
        async with self._client() as client:
            answer = await client.post(f"/_stand_in/{deed}", json=switch)
        assert answer.status_code == 200, answer.text
        return msgspec.json.decode(answer.content, type=dict[str, object] | None) or {}

    async def faults(self, **switches: object) -> None:
        """Set all switches; those not named are off."""
        await self.control("faults", switches)

    async def flush(self, *, limit_s: float = 30.0) -> None:
        """Wait until every event is delivered."""
        flushed = await self.control("flush", {"limit_s": limit_s})
        assert flushed["left"] == 0, f"{flushed['left']} deliveries are left"

    async def card(self, customer: str, card: str) -> None:
        """Give a customer a card that is good or fails."""
        await self.control("cards", {"customer": customer, "card": card})

    async def dunning_ends(self, ends: str) -> None:
        """Say what becomes of a subscription that nobody pays: unpaid, canceled or past_due."""
        await self.control("dunning", {"ends": ends})

    async def clock_for_new_customers(self, frozen_time: int | None) -> str | None:
        """Bind the customers that are made from now on to one test clock; returns its id."""
        made = await self.control(
            "clock", {} if frozen_time is None else {"frozen_time": frozen_time}
        )
        return None if frozen_time is None else str(made["id"])

    async def advance(self, clock: str, to: int) -> None:
        """Let a test clock come to this time; what falls due on the way happens."""
        async with self._client() as client:
            answer = await client.post(
                f"/v1/test_helpers/test_clocks/{clock}/advance", data={"frozen_time": str(to)}
            )
        assert answer.status_code == 200, answer.text

    async def pay(self, checkout_url: str, *, action: str = "pay") -> str:
        """Press a checkout's button; returns where the browser is sent."""
        async with self._client() as client:
            answer = await client.post(checkout_url, data={"action": action})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def press(self, portal_url: str, action: str, **fields: str) -> httpx.Response:
        """Press a button of the portal."""
        async with self._client() as client:
            return await client.post(portal_url, data={"action": action, **fields})

    def _client(self) -> httpx.AsyncClient:
        headers = {"Authorization": f"Bearer {self.api_key}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60.0, trust_env=False)


@contextlib.asynccontextmanager
async def stand_in(
    *webhooks: str, folder: Path | None = None, port: int | None = None
) -> AsyncGenerator[StandIn]:
    """Run a stand-in that tells these addresses; its file is in the folder, or goes with it."""
    with contextlib.ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="stepwell-test-")))
        port = free_port() if port is None else port
        process = stack.enter_context(_process(folder, port, webhooks))
        running = StandIn(
            url=f"http://{LOOPBACK}:{port}",
            api_key=API_KEY,
            webhook_secret=WEBHOOK_SECRET,
            pid=process.pid,
        )
        await _until_it_answers(running, process)
        yield running


@contextlib.contextmanager
def _process(
    folder: Path, port: int, webhooks: tuple[str, ...]
) -> Generator[subprocess.Popen[bytes]]:
    argv = [sys.executable, "-P", "-m", "deploy.stand_in"]
    argv += ["--port", str(port), "--state", str(folder / "stripe.sqlite")]
    argv += ["--api-key", API_KEY]
    for url in webhooks:
        argv += ["--webhook", f"{url}={WEBHOOK_SECRET}"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(argv, env=env, cwd=folder) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()


async def _until_it_answers(running: StandIn, process: subprocess.Popen[bytes]) -> None:
    end = monotonic() + START_S
    async with httpx.AsyncClient(trust_env=False) as client:
        while monotonic() < end:
            assert process.poll() is None, f"the stand-in ended with {process.returncode}"
            with contextlib.suppress(httpx.TransportError):
                answer = await client.get(f"{running.url}/_stand_in/health")
                if answer.status_code == 200:
                    return
            await asyncio.sleep(0.05)
    raise AssertionError(f"the stand-in didn't answer within {START_S} s")
