"""What letters say: one text for each kind, from which the plain and the HTML form are made."""

from __future__ import annotations

import re
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec
from jinja2 import (
    Environment,
    PackageLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.catalog.letters import DueLetter

SENDER_NAME = "Stepwell"
_SUBJECT = "Subject: "
_CODE = re.compile(r"\d{3} \d{3}")
_LINK = re.compile(r"https?://\S+")


class Looks(StrEnum):
    """How a paragraph is set in HTML."""

    TEXT = "text"
    LINK = "link"
    CODE = "code"


class Paragraph(msgspec.Struct, frozen=True, kw_only=True):
    """One paragraph; a link or a code has one of its own."""

    looks: Looks
    said: str


class Wording:
    """Words letters. A value is one line of text, whatever it holds: it makes no paragraph."""

    def __init__(self, *, sender: str) -> None:
        self.sender = sender
        loader = PackageLoader("deploy.mail", "letters")
        self._plain = Environment(
            loader=loader,
            autoescape=False,  # noqa: S701 - this one makes plain text; the other one escapes
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        markup = Environment(
            loader=loader,
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._page = markup.get_template("letter.html")

    def message_of(self, letter: DueLetter, values: Mapping[str, str]) -> EmailMessage:
        """Make the message; raises UnwordedLetter. Sent again, it has the same Message-ID."""
        subject, text = self.say(letter.kind, values)
        paragraphs = paragraphs_of(text)
        message = EmailMessage(policy=SMTP)
        message["From"] = formataddr((SENDER_NAME, self.sender))
        message["To"] = letter.recipient
        message["Subject"] = subject
        message["Date"] = format_datetime(letter.made_at)
        message["Message-ID"] = f"<{letter.id}@{self.sender.rpartition('@')[2]}>"
        # So that nobody's holiday note answers it (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        page = self._page.render(subject=subject, paragraphs=paragraphs)
        message.add_alternative(page, subtype="html")
        return message

    def say(self, kind: str, values: Mapping[str, str]) -> tuple[str, str]:
        """Return subject and text of a letter; raises UnwordedLetter."""
        lines = {name: " ".join(value.split()) for name, value in values.items()}
        try:
            told = self._plain.get_template(f"{kind}.txt").render(lines)
        except TemplateNotFound as error:
            raise UnwordedLetter(f"there is no text for letters of the kind {kind}") from error
        except TemplateError as error:
            raise UnwordedLetter(f"the text for {kind} can't be filled in: {error}") from error
        head, _, text = told.partition("\n")
        assert head.startswith(_SUBJECT), f"letters/{kind}.txt begins with its subject"
        return head.removeprefix(_SUBJECT), text.strip() + "\n"


class UnwordedLetter(Exception):
    """There is no text for a letter: it was recorded by another version than this one."""


def paragraphs_of(text: str) -> list[Paragraph]:
    """Read the paragraphs of a text."""
    return [
        Paragraph(looks=_looks(said), said=said)
        for said in (" ".join(part.split()) for part in text.split("\n\n"))
        if said
    ]


def _looks(said: str) -> Looks:
    if _CODE.fullmatch(said):
        return Looks.CODE
    return Looks.LINK if _LINK.fullmatch(said) else Looks.TEXT
