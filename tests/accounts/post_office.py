"""An SMTP server that takes, refuses or is away, as a test wants it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY

from aiosmtpd.smtp import SMTP, Envelope, Session

from deploy.mail.smtp import SmtpAddress
from deploy.stack.ports import LOOPBACK, free_port


class PostOffice:
    """What it took; ``refusals`` are its answers to single recipients."""

    def __init__(self, port: int) -> None:
        self.address = SmtpAddress(host=LOOPBACK, port=port)
        self.letters: list[EmailMessage] = []
        self.refusals: dict[str, str] = {}

    @property
    def recipients(self) -> list[str]:
        return [str(letter["To"]) for letter in self.letters]

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        address: str,
        options: list[str],
    ) -> str:
        """Take a recipient, or refuse it."""
        del server, session, options
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take a letter."""
        del server, session
        assert isinstance(envelope.content, bytes)
        self.letters.append(message_from_bytes(envelope.content, policy=SMTP_POLICY))
        return "250 OK"

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Listen for a while."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: SMTP(self, hostname="localhost", loop=loop),
            LOOPBACK,
            self.address.port,
        )
        async with server:
            yield


@contextlib.asynccontextmanager
async def post_office() -> AsyncGenerator[PostOffice]:
    """Open one at a free port."""
    made = PostOffice(free_port())
    async with made.open():
        yield made


def text_of(letter: EmailMessage) -> str:
    """Return what a letter says in plain text."""
    part = letter.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def link_of(letter: EmailMessage) -> str:
    """Return the path and query of the letter's link."""
    line = next(each for each in text_of(letter).splitlines() if each.startswith("http"))
    return "/" + line.partition("://")[2].partition("/")[2]


def code_of(letter: EmailMessage) -> str:
    """Return the code that a letter brings."""
    digits = [each.replace(" ", "") for each in text_of(letter).splitlines()]
    return next(each for each in digits if each.isdigit() and len(each) == 6)
