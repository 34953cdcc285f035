"""The mailbox of the embedded stack. Elsewhere the API has none, and the page isn't there."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import quote

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Template

from router.api.mailbox import Mail, MailWhole
from router.api.shapes import List
from web.visitor import Visitor

Recipient = Annotated[str, QueryParameter(name="to", max_length=254)]
_LINK = re.compile(r"(https?://[^\s<>\"]+)")


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Some text of a letter, or one of its links."""

    said: str
    is_link: bool


@get("/mailbox", include_in_schema=False)
async def list_mail(visitor: NamedDependency[Visitor], recipient: Recipient = "") -> Template:
    """Whoever develops reads everybody's mail."""
    await visitor.me()
    found = await visitor.api.get("/api/mailbox", List[Mail], {"to": recipient or None})
    return visitor.page("mailbox.html", {"letters": found.items, "recipient": recipient})


@get("/mailbox/{mail_id:str}", include_in_schema=False)
async def show_mail(visitor: NamedDependency[Visitor], mail_id: FromPath[str]) -> Template:
    """The plain text, with links that lead somewhere."""
    await visitor.me()
    letter = await visitor.api.get(f"/api/mailbox/{quote(mail_id, safe='')}", MailWhole)
    parts = [
        [Piece(said=each, is_link=number % 2 == 1) for number, each in enumerate(_LINK.split(part))]
        for part in letter.text.split("\n\n")
    ]
    return visitor.page("letter.html", {"letter": letter, "paragraphs": parts})


PAGES = (list_mail, show_mail)
