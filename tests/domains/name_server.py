"""A small name server on loopback, whose records tests set and take away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from deploy.stack.ports import LOOPBACK

_LIFE_S = 60


class NameServer(asyncio.DatagramProtocol):
    """Answers TXT questions; ``is_silent`` makes it say nothing, as a dead one does."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.is_silent = False
        self.asked: list[str] = []
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # asyncio's own is none by its class.
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        name = question.question[0].name.to_text(omit_final_dot=True).lower()
        self.asked.append(name)
        assert self._transport is not None
        if not self.is_silent:
            self._transport.sendto(self._answer(question, name).to_wire(), addr)

    def _answer(self, question: dns.message.Message, name: str) -> dns.message.Message:
        answer = dns.message.make_response(question)
        answer.flags |= dns.flags.RA
        found = self.texts.get(name)
        if found is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif found:
            quoted = [f'"{each}"' for each in found]
            answer.answer.append(
                dns.rrset.from_text(question.question[0].name, _LIFE_S, "IN", "TXT", *quoted)
            )
        return answer


@contextlib.asynccontextmanager
async def name_server() -> AsyncGenerator[NameServer]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=(LOOPBACK, 0))
    try:
        yield server
    finally:
        transport.close()
