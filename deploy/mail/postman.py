"""The postman: writes letters of what the outbox tells, and brings what waits to the server.

A letter is claimed for a while before it is sent, so that a postman who dies leaves it to the
next one. That one may send it twice: both have the same Message-ID, and mailboxes keep one.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from deploy.mail import plan_news
from deploy.mail.news import addresses_of, letters_of
from deploy.mail.smtp import NotTaken, hand_over, reach
from deploy.mail.wording import UnwordedLetter
from router.catalog import letters
from router.catalog.letters import LETTER_LIFE
from router.catalog.news import follow
from router.errors import PlatformError
from router.tasks import end

if TYPE_CHECKING:
    import aiosmtplib

    from deploy.mail.smtp import SmtpAddress
    from deploy.mail.wording import Wording
    from router.catalog import Catalog
    from router.catalog.letters import DueLetter, Message
    from router.connect import Connection
    from router.sealing import Sealer

MAIL_CHANNEL = "stepwell_mail"
#: Looks without being told: postponed letters come due by the clock.
POLL_S: Final = 5.0
LETTERS_AT_ONCE: Final = 20
MESSAGES_AT_ONCE: Final = 50
LEASE: Final = timedelta(minutes=5)
#: What is claimed is sent, or put back, before the claim ends.
ROUND_S_MAX: Final = 240.0
AGAIN_AFTER_MIN: Final = timedelta(seconds=5)
AGAIN_AFTER_MAX: Final = timedelta(minutes=10)
FOREIGN_KEY: Final = (
    "it was sealed with another STEPWELL_SECRET_KEY: add that one behind the one that holds now"
)
ERROR_LENGTH_MAX: Final = 500
_DOUBLINGS_MAX: Final = 20
_log = structlog.get_logger("stepwell.mail")


class Postman:
    """Any number of them may work at once. Without an ``address`` letters wait."""

    def __init__(
        self,
        catalog: Catalog,
        sealer: Sealer,
        wording: Wording,
        *,
        address: SmtpAddress | None,
        site_url: str,
    ) -> None:
        self._catalog = catalog
        self._sealer = sealer
        self._wording = wording
        self._address = address
        self._site_url = site_url
        self._woken = asyncio.Event()

    async def keep(self) -> None:
        """Go round until cancelled."""
        following = follow(self._catalog, MAIL_CHANNEL, self)
        ears = asyncio.get_running_loop().create_task(following)
        try:
            while True:
                self._woken.clear()
                try:
                    await self.go_round()
                except PlatformError as error:
                    _log.warning("mail not brought", reason=error.detail)
                with contextlib.suppress(TimeoutError):
                    # Not wait_for: Python 3.11's swallows a cancellation that meets a result.
                    async with asyncio.timeout(POLL_S):
                        await self._woken.wait()
        finally:
            # Not a TaskGroup, which cancels a task once: one cancellation may be lost.
            await end(ears)

    def heard(self, payload: str) -> None:
        """Look at once: there is mail."""
        del payload
        self._woken.set()

    async def connected(self) -> None:
        """Look: what was said before this moment was missed."""
        self._woken.set()

    def lost(self, error: PlatformError) -> None:
        """Go on by the clock."""

    async def go_round(self) -> int:
        """Write and bring all that is due now; returns how many letters a server took."""
        while await self._read_outbox() == MESSAGES_AT_ONCE:
            pass
        if self._address is None:
            return 0
        brought, left = 0, 0
        while not left and (due := await self._claim()):
            taken, left = await self._bring(due, self._address)
            brought += taken
        return brought

    async def _read_outbox(self) -> int:
        """Turn messages into letters: both are kept, or neither."""
        async with self._catalog.transaction() as connection:
            taken = await letters.take_messages(connection, items_max=MESSAGES_AT_ONCE)
            for message in taken:
                await self._write(connection, message)
        return len(taken)

    async def _write(self, connection: Connection, message: Message) -> None:
        # What nobody read for so long is no news: mail may have been set up a moment ago.
        if message.tenant_id is None or message.at < datetime.now(UTC) - LETTER_LIFE:
            return
        try:
            addresses = addresses_of(message)
            if addresses is None:
                readers = await letters.readers(connection, message.tenant_id)
            else:
                readers = await letters.readers_at(connection, message.tenant_id, addresses)
            written = letters_of(message, readers, site_url=self._site_url)
        except msgspec.ValidationError as error:
            _log.error("message not understood", kind=message.kind, reason=str(error))
            return
        if any(letter.kind in {plan_news.PLAN, plan_news.MOVE} for letter in written):
            waiting = await letters.take_back(
                connection, self._sealer, message.tenant_id, kind=plan_news.PLAN
            )
            written = plan_news.together(written, waiting)
        for letter in written:
            await letters.put(connection, self._sealer, letter)

    async def _claim(self) -> list[DueLetter]:
        async with self._catalog.connection() as connection:
            return await letters.claim(
                connection, self._sealer, items_max=LETTERS_AT_ONCE, lease=LEASE
            )

    async def _bring(self, due: list[DueLetter], address: SmtpAddress) -> tuple[int, int]:
        """Bring one claim's letters; returns how many were taken, and how many had to be put back.

        Those are what a server that went away, or is slow, had no time for.
        """
        left, brought = list(due), 0
        try:
            async with asyncio.timeout(ROUND_S_MAX), reach(address) as client:
                while left:
                    brought += await self._bring_one(client, left[0])
                    del left[0]
        except (NotTaken, TimeoutError) as error:
            reason = error.reason if isinstance(error, NotTaken) else "the server is too slow"
            _log.warning("mail waits", letters=len(left), reason=reason)
            for letter in left:
                await self._postpone(letter, reason)
        return brought, len(left)

    async def _bring_one(self, client: aiosmtplib.SMTP, letter: DueLetter) -> bool:
        """Bring one letter; raises NotTaken when the server is away, for all that follow too."""
        if letter.is_late:
            await self._give_up(letter, "nobody needs it any more: it waited for too long")
            return False
        if letter.values is None:
            await self._postpone(letter, FOREIGN_KEY)
            return False
        try:
            await hand_over(client, self._wording.message_of(letter, letter.values))
        except UnwordedLetter as error:
            await self._give_up(letter, str(error))
            return False
        except NotTaken as error:
            if error.is_away:
                raise
            if error.is_final:
                await self._give_up(letter, error.reason)
            else:
                await self._postpone(letter, error.reason)
            return False
        async with self._catalog.connection() as connection:
            await letters.sent(connection, letter.id)
        return True

    async def _give_up(self, letter: DueLetter, error: str) -> None:
        # Whom it was for stands in the catalog, not in the log.
        _log.warning("letter given up", letter=str(letter.id), kind=letter.kind, reason=error)
        async with self._catalog.connection() as connection:
            await letters.give_up(connection, letter.id, error=error[:ERROR_LENGTH_MAX])

    async def _postpone(self, letter: DueLetter, error: str) -> None:
        async with self._catalog.connection() as connection:
            await letters.postpone(
                connection,
                letter.id,
                after=again_after(letter.attempts),
                error=error[:ERROR_LENGTH_MAX],
            )


def again_after(attempts: int) -> timedelta:
    """Return how long a letter waits after so many attempts: twice as long after each."""
    return min(AGAIN_AFTER_MIN * (1 << min(attempts - 1, _DOUBLINGS_MAX)), AGAIN_AFTER_MAX)
