"""Events on their way to endpoints: signed as Stripe signs, tried again until somebody says 2xx."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from typing import Final

import httpx
import msgspec

from deploy.stand_in import faults
from deploy.stand_in.objects import Event, WebhookEndpoint
from deploy.stand_in.store import Errand, Store

FIRST_RETRY_S = 0.2
RETRY_S_MAX = 30.0
#: Whoever hasn't answered for three days hears no more of it.
ATTEMPTS_MAX = 8_640
ANSWER_S_MAX = 20.0
AT_ONCE_MAX = 8
IDLE_S = 0.5
_OK = range(200, 300)


def signature(secret: str, body: bytes, *, at: int) -> str:
    """Sign a body: the header that Stripe's SDK verifies."""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


def retry_delay_s(attempts: int) -> float:
    """Return how long to wait after so many attempts."""
    return min(RETRY_S_MAX, FIRST_RETRY_S * 2.0 ** min(attempts, 16))


class Deliveries:
    """Makes the deliveries that the store has noted; a restart finds them there again."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._news: Final = asyncio.Event()
        self._running: dict[Errand, asyncio.Task[None]] = {}

    def wake(self) -> None:
        """Look at the store at once: there is something new."""
        self._news.set()

    async def flush(self, *, limit_s: float) -> int:
        """Wait until nothing is left to deliver, or too long; return what is left."""
        end = time.monotonic() + limit_s
        while (left := self._store.count_to_send()) and time.monotonic() < end:
            self.wake()
            await asyncio.sleep(0.01)
        return left

    async def keep_on(self) -> None:
        """Deliver, until cancelled."""
        async with httpx.AsyncClient(timeout=ANSWER_S_MAX, trust_env=False) as client:
            try:
                while True:
                    wait_s = self._start_due(client)
                    await self._rest(wait_s)
            finally:
                for task in self._running.values():
                    task.cancel()
                await asyncio.gather(*self._running.values(), return_exceptions=True)

    async def _rest(self, wait_s: float) -> None:
        self._news.clear()
        waiter = asyncio.create_task(self._news.wait())
        try:
            await asyncio.wait(
                [waiter, *self._running.values()],
                timeout=wait_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            waiter.cancel()

    def _start_due(self, client: httpx.AsyncClient) -> float:
        """Start what is due; return how long nothing else will be."""
        self._running = {errand: task for errand, task in self._running.items() if not task.done()}
        may_overtake = faults.read(self._store).reorder
        for errand in self._store.to_send():
            wait_s = errand.due_s - time.time()
            if wait_s > 0:
                return min(wait_s, IDLE_S)
            if may_overtake or self._is_next(errand):
                self._start(client, errand)
        return IDLE_S

    def _is_next(self, errand: Errand) -> bool:
        """Events come in their order; one that has to be tried again holds up no other."""
        return errand.attempts > 0 or all(
            running.attempts > 0 or running.endpoint != errand.endpoint for running in self._running
        )

    def _start(self, client: httpx.AsyncClient, errand: Errand) -> None:
        is_running = any(running.number == errand.number for running in self._running)
        if not is_running and len(self._running) < AT_ONCE_MAX:
            self._running[errand] = asyncio.create_task(self._deliver(client, errand))

    async def _deliver(self, client: httpx.AsyncClient, errand: Errand) -> None:
        event = self._store.find(Event, errand.event)
        endpoint = self._store.find(WebhookEndpoint, errand.endpoint)
        if event is None or endpoint is None or endpoint.secret is None:
            self._store.sent(errand.number)
            return
        body = msgspec.json.encode(event)
        at = int(time.time())
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "Stripe-Signature": signature(endpoint.secret, body, at=at),
            "User-Agent": "Stripe/1.0 (stand-in)",
        }
        try:
            answer = await client.post(endpoint.url, content=body, headers=headers)
            is_done = answer.status_code in _OK
        except (httpx.HTTPError, httpx.InvalidURL, ValueError):
            is_done = False
        if is_done or errand.attempts >= ATTEMPTS_MAX:
            self._store.sent(errand.number)
        else:
            self._store.send_again(
                errand.number, due_s=time.time() + retry_delay_s(errand.attempts)
            )
