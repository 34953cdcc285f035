"""The folder of the mailbox: one file a letter, a few hundred of them, the oldest go first."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from router.api.mailbox import Mail, MailWhole

if TYPE_CHECKING:
    from pathlib import Path

LETTERS_MAX: Final = 200
LETTER_BYTES_MAX: Final = 1_000_000
_SUFFIX: Final = ".eml"
_ID: Final = re.compile(r"[0-9]{20}-[0-9a-f]{8}")
_NANOSECONDS: Final = 1_000_000_000
_LINK: Final = re.compile(r"https?://[^\s<>\"]+")


class MailFolder:
    """One process writes, others read: a letter is there whole or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, content: bytes) -> None:
        """Keep a letter, and no more than the newest few."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{uuid4().hex[:8]}"
        half = self._path / f"{name}.half"
        half.write_bytes(content)
        half.rename(self._path / f"{name}{_SUFFIX}")
        for old in self._newest()[LETTERS_MAX:]:
            self._file(old).unlink(missing_ok=True)

    async def list_all(self, recipient: str | None) -> list[Mail]:
        """Return the letters, to one address or to all, the newest first."""
        return await asyncio.to_thread(self._list, recipient)

    async def find(self, mail_id: str) -> MailWhole | None:
        """Return one letter; None where it isn't kept any more."""
        return await asyncio.to_thread(self._find, mail_id)

    def _list(self, recipient: str | None) -> list[Mail]:
        found = [self._find(mail_id) for mail_id in self._newest()]
        return [
            Mail(id=each.id, at=each.at, recipient=each.recipient, subject=each.subject)
            for each in found
            if each is not None and recipient in {None, each.recipient}
        ]

    def _find(self, mail_id: str) -> MailWhole | None:
        if _ID.fullmatch(mail_id) is None:
            return None
        try:
            content = self._file(mail_id).read_bytes()
        except FileNotFoundError:
            return None
        message = message_from_bytes(content, policy=SMTP)
        text = _text_of(message)
        return MailWhole(
            id=mail_id,
            at=datetime.fromtimestamp(int(mail_id.partition("-")[0]) / _NANOSECONDS, tz=UTC),
            sender=_header(message, "From"),
            recipient=_header(message, "To"),
            subject=_header(message, "Subject"),
            text=text,
            links=_LINK.findall(text),
        )

    def _newest(self) -> list[str]:
        try:
            found = [place.stem for place in self._path.iterdir() if place.suffix == _SUFFIX]
        except FileNotFoundError:
            return []
        return sorted((name for name in found if _ID.fullmatch(name)), reverse=True)

    def _file(self, mail_id: str) -> Path:
        return self._path / f"{mail_id}{_SUFFIX}"


def _header(message: EmailMessage, name: str) -> str:
    return " ".join(str(message.get(name, "")).split())


def _text_of(message: EmailMessage) -> str:
    """Return the plain text; whoever wrote the letter may have broken it."""
    part = message.get_body(preferencelist=("plain",))
    if part is None:
        return ""
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except (LookupError, ValueError, MessageError):
        return "This letter can't be read."
