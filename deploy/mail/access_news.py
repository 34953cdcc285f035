"""What owners are written of staff's access to their rows: each step, and where it all stands."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from deploy.mail.told import Told
from router.catalog.access_words import AccessMode
from router.catalog.staff import UNNAMED
from web.rendering import moment

_DOES: Final = {AccessMode.READ: "read", AccessMode.WRITE: "read and write"}


class _Access(msgspec.Struct, frozen=True, kw_only=True):
    access: str
    mode: AccessMode
    staff: str
    reason: str
    ticket: str
    minutes: int
    until: datetime | None = None
    ended_by: str | None = None
    requests: int = 0


def asked(payload: Mapping[str, object]) -> Told:
    """Tell of a request; what came of it is another letter, if anything did."""
    known = msgspec.convert(payload, _Access)
    return _told("access_asked", known, {"minutes": str(known.minutes)})


def begun(payload: Mapping[str, object]) -> Told:
    """Tell that somebody is in."""
    known = msgspec.convert(payload, _Access)
    return _told("access_begun", known, {"until": moment(known.until)})


def ended(payload: Mapping[str, object]) -> Told:
    """Tell that nobody is in any more, and how often was looked."""
    known = msgspec.convert(payload, _Access)
    how = "because its time was over" if known.ended_by is None else f"by {known.ended_by}"
    if known.ended_by in UNNAMED:
        how = "by our staff"
    count = "was 1 request" if known.requests == 1 else f"were {known.requests} requests"
    return _told("access_ended", known, {"how": how, "requests": count})


def _told(kind: str, known: _Access, values: Mapping[str, str]) -> Told:
    who = "Somebody" if known.staff in UNNAMED else known.staff
    return Told(
        kind=kind,
        values={
            "who": f"{who} of our staff",
            "does": _DOES[known.mode],
            "reason": known.reason,
            "ticket": known.ticket,
            **values,
        },
        page=f"/access/{known.access}",
        is_for_owners=True,
    )
