"""The mailbox of the embedded stack: what was mailed, for whoever develops or tries things out.

Served where the settings name a mailbox, which they do on the developer's own machine alone:
whoever reads it may enter every account.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Protocol, runtime_checkable

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from router.api.shapes import List
from router.catalog.accounts import EMAIL_LENGTH_MAX
from router.errors import NotFound

Recipient = Annotated[
    str | None,
    QueryParameter(
        name="to", max_length=EMAIL_LENGTH_MAX, description="Letters to this address alone."
    ),
]


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A letter in the list."""

    id: str
    at: datetime
    recipient: str
    subject: str


class MailWhole(msgspec.Struct, frozen=True, kw_only=True):
    """A letter as its reader sees it."""

    id: str
    at: datetime
    sender: str
    recipient: str
    subject: str
    text: str
    links: list[str]


@runtime_checkable
class Mailbox(Protocol):
    """Keeps the newest letters."""

    async def list_all(self, recipient: str | None) -> list[Mail]:
        """Return the letters, to one address or to all, the newest first."""
        ...

    async def find(self, mail_id: str) -> MailWhole | None:
        """Return one letter; None where it isn't kept any more."""
        ...


@get("/mailbox", include_in_schema=False, summary="The letters that were mailed")
async def list_mail(mailbox: NamedDependency[Mailbox], recipient: Recipient = None) -> List[Mail]:
    """The newest first."""
    return List(items=await mailbox.list_all(recipient and recipient.strip().lower()))


@get("/mailbox/{mail_id:str}", include_in_schema=False, summary="One letter")
async def show_mail(mailbox: NamedDependency[Mailbox], mail_id: FromPath[str]) -> MailWhole:
    """With its links."""
    found = await mailbox.find(mail_id)
    if found is None:
        raise NotFound("there is no such letter, or it was pushed out by newer ones")
    return found
