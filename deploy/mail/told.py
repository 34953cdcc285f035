"""What a letter says of a message, before it is written to anybody."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Which tier a person reads of: nobody out there knows clusters.
PLACES: Final = {
    "rows": "shared tables",
    "schema": "a schema of its own",
    "database": "a database of its own",
}
_SECOND_MS: Final = 1_000


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The same to all who read it. ``page`` is where they look: a page of the workspace."""

    kind: str
    values: Mapping[str, str]
    page: str
    is_for_owners: bool = False
    #: What somebody may cause at will goes to no address that may be a stranger's.
    is_for_proved: bool = False
    wait: timedelta = timedelta()


def notice(subject: str, said: str, *, page: str) -> Told:
    """Say one thing; ``{tenant}`` in the subject becomes the workspace's name."""
    return Told(kind="notice", values={"subject": subject, "said": said}, page=page)


def lasting(value_ms: float | None) -> str:
    """Spell how long a switch held writes."""
    if value_ms is None:
        return "a moment"
    return f"{value_ms:.0f} ms" if value_ms < _SECOND_MS else f"{value_ms / _SECOND_MS:.1f} s"
