"""One customer of a whole stack: buys, is moved, and goes on writing all the while."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any

import httpx
import msgspec

from tests.billing.stand_in.running import StandIn
from tests.cli.worlds import Part, Stack
from tests.gateways import PASSWORD, bearer, expect

if TYPE_CHECKING:
    from httpx import AsyncClient

WAIT_S_MAX = 90.0
LOOK_S = 0.1
#: Slow enough for the first plan's month, fast enough to be in the way of every decision.
WRITE_PAUSE_S = 0.1
#: The table that is written to all the while; every other one must stay as it was loaded.
WRITTEN = "playlist"


class Dashboard:
    """The stand-in for Stripe, used as sales uses Stripe's dashboard and payers use its pages."""

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in
        self._client = httpx.AsyncClient(
            base_url=stand_in.url, headers=bearer(stand_in.api_key), timeout=60, trust_env=False
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def read(self, path: str, **fields: str) -> dict[str, Any]:
        return expect(await self._client.get(f"/v1/{path}", params=fields), 200)

    async def pay(self, page: str) -> str:
        """Press Pay on a page that shows this button; returns where the browser is sent."""
        shown = await self._client.get(page)
        assert 'value="pay"' in shown.text, shown.text
        return await self.stand_in.pay(page)

    async def sell(self, name: str, lookup_key: str, *, amount: int) -> str:
        """Make a product with a price that no list of ours has; returns the price."""
        product = await self._client.post("/v1/products", data={"name": name})
        fields = {
            "product": expect(product, 200)["id"],
            "currency": "usd",
            "unit_amount": str(amount),
            "recurring[interval]": "month",
            "lookup_key": lookup_key,
        }
        return str(expect(await self._client.post("/v1/prices", data=fields), 200)["id"])

    async def delete(self, path: str) -> None:
        expect(await self._client.delete(f"/v1/{path}"), 200)

    async def period_end(self, subscription_id: str) -> int:
        subscription = await self.read(f"subscriptions/{subscription_id}")
        return int(subscription["items"]["data"][0]["current_period_end"])

    async def swap(self, subscription_id: str, lookup_key: str) -> None:
        """Have a subscription be for another price."""
        prices = await self.read("prices", **{"lookup_keys[0]": lookup_key})
        subscription = await self.read(f"subscriptions/{subscription_id}")
        fields = {
            "items[0][id]": subscription["items"]["data"][0]["id"],
            "items[0][price]": prices["data"][0]["id"],
            "proration_behavior": "always_invoice",
        }
        answer = await self._client.post(f"/v1/subscriptions/{subscription_id}", data=fields)
        expect(answer, 200)


class Buyer:
    """A tenant with its owner's token."""

    def __init__(self, client: AsyncClient, slug: str, told: dict[str, Any]) -> None:
        self.client = client
        self.slug = slug
        self.told = told
        self.headers = bearer(told["token"])

    @property
    def checkout_url(self) -> str:
        return str(self.told["checkout_url"])

    async def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        answer = await self.client.request(method, path, json=body, headers=self.headers)
        return expect(answer, 200)

    async def billing(self) -> dict[str, Any]:
        return await self.ask("GET", "/api/billing")

    async def tenant(self) -> dict[str, Any]:
        return await self.ask("GET", "/api/tenant")

    async def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Look at the tenant again and again until it is as wished."""
        end = time.monotonic() + WAIT_S_MAX
        while not holds(seen := await self.tenant()):
            assert time.monotonic() < end, (seen, await self.billing())
            await asyncio.sleep(LOOK_S)
        return seen

    async def load(self, files: dict[str, bytes]) -> None:
        for table, content in files.items():
            answer = await self.client.post(
                f"/import/{table}", content=content, headers=self.headers
            )
            expect(answer, 201)

    async def export(self, table: str) -> bytes:
        answer = await self.client.get(f"/export/{table}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        return answer.content

    @contextlib.asynccontextmanager
    async def writing(self) -> AsyncGenerator[list[str]]:
        """Add playlists all the while; the names of those that were accepted are lent."""
        accepted: list[str] = []
        task = asyncio.create_task(self._write(accepted))
        try:
            yield accepted
            assert not task.done(), task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _write(self, accepted: list[str]) -> None:
        while True:
            name = f"made {uuid.uuid4()}"
            answer = await self.client.post("/playlists", json={"name": name}, headers=self.headers)
            expect(answer, 201)
            accepted.append(name)
            await asyncio.sleep(WRITE_PAUSE_S)


class Told(msgspec.Struct, frozen=True):
    """The part of `status --json` that a story needs."""

    parts: list[Part]
    urls: dict[str, str]
    stripe: dict[str, str]
    ops_token: str

    @property
    def stand_in(self) -> StandIn:
        part = next(part for part in self.parts if part.kind == "stripe")
        assert part.pid is not None
        return StandIn(
            url=self.stripe["api_base"],
            api_key=self.stripe["api_key"],
            webhook_secret=self.stripe["webhook_secret"],
            pid=part.pid,
        )


def told_by(stack: Stack) -> Told:
    return msgspec.json.decode(stack.ask("status", "--json").out, type=Told)


async def sign_up(client: AsyncClient, *, plan: str, email: str | None = None) -> Buyer:
    slug = f"story-{uuid.uuid4().hex[:8]}"
    body = {
        "email": email or f"owner@{slug}.example",
        "password": PASSWORD,
        "company": "A shop",
        "slug": slug,
        "plan": plan,
    }
    return Buyer(client, slug, expect(await client.post("/api/signup", json=body), 201))
