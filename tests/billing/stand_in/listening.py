"""An endpoint that hears of events, and answers as a test says."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import msgspec
import stripe

from deploy.stack.ports import LOOPBACK
from tests.billing.stand_in.running import WEBHOOK_SECRET


def verify(body: str, signature: str, secret: str) -> None:
    """Let the SDK verify a signature; raises SignatureVerificationError where it is wrong."""
    stripe.WebhookSignature.verify_header(body, signature, secret, 300)  # pyright: ignore[reportUnknownMemberType]  # the SDK annotates only half of it


class Heard:
    """What came in, each with its signature verified; ``statuses`` are answered first."""

    def __init__(self) -> None:
        self.url = ""
        self.statuses: list[int] = []
        self.events: list[stripe.Event] = []
        self.refused = 0

    @property
    def ids(self) -> list[str]:
        return [event.id for event in self.events]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                lines = dict(
                    line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line
                )
                body = await reader.readexactly(int(lines["content-length"]))
                status = self._take(body, lines["stripe-signature"])
                writer.write(b"HTTP/1.1 %d Said\r\nContent-Length: 0\r\n\r\n" % status)
                await writer.drain()
        writer.close()

    def _take(self, body: bytes, signature: str) -> int:
        if self.statuses:
            self.refused += 1
            return self.statuses.pop(0)
        verify(body.decode(), signature, WEBHOOK_SECRET)
        event = stripe.Event.construct_from(
            msgspec.json.decode(body, type=dict[str, object]), key=None
        )
        self.events.append(event)
        return 200


@contextlib.asynccontextmanager
async def listening() -> AsyncGenerator[Heard]:
    """Listen on a free port."""
    heard = Heard()
    server = await asyncio.start_server(heard.serve, LOOPBACK, 0)
    heard.url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/hook?kind=a=b"
    async with server:
        yield heard
