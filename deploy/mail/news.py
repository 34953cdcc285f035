"""Which letters the outbox's messages ask for: what a tenant's people want to be told, no more."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from billing.life_words import Cause
from billing.telling import PLAN_ENDS, PLAN_LEFT, READ_ONLY
from router.catalog.letters import Letter, day

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from router.catalog.letters import Message, Reader

_SUBJECTS: Final = {
    "usage_80": "{tenant} nears a limit of its plan",
    "usage_100": "{tenant} has reached a limit of its plan",
    Cause.OVERDUE: "A payment for {tenant} has failed",
    Cause.STOPPED: "{tenant} is no longer paid for",
    Cause.STORAGE: "{tenant} stores more than its plan allows",
    READ_ONLY: "{tenant} can be read and not changed",
    PLAN_ENDS: "The plan of {tenant} ends",
    PLAN_LEFT: "The plan of {tenant} has changed",
}
#: A place as a move tells it ("rows on shared-1"), for people who know no clusters.
_PLACES: Final = {
    "rows": "shared tables",
    "schema": "a schema of its own",
    "database": "a database of its own",
}
_SECOND_MS: Final = 1_000


class _Notice(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    said: str


class _Switch(msgspec.Struct, frozen=True, kw_only=True, rename={"source": "from", "target": "to"}):
    source: str
    target: str
    pause_ms: float | None


class _Lost(msgspec.Struct, frozen=True, kw_only=True):
    domain: str
    off_at: datetime


class _Off(msgspec.Struct, frozen=True, kw_only=True):
    domain: str


class _Planned(msgspec.Struct, frozen=True, kw_only=True):
    due_at: datetime


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """What a letter says of a message: the same to all who read it."""

    kind: str
    values: Mapping[str, str]
    #: Where the reader looks: a page of the workspace.
    page: str


def letters_of(message: Message, readers: Sequence[Reader], *, site_url: str) -> list[Letter]:
    """Write to each reader what a message tells; nothing where it concerns none of them.

    Raises msgspec.ValidationError for a message that isn't shaped as its kind is.
    """
    tell = _TELLERS.get(message.kind)
    told = None if tell is None else tell(message.payload)
    if told is None:
        return []
    return [
        Letter(
            kind=told.kind,
            recipient=reader.email,
            values=_values(told, reader, site_url),
            tenant_id=message.tenant_id,
        )
        for reader in readers
    ]


def _values(told: _Told, reader: Reader, site_url: str) -> dict[str, str]:
    values = {**told.values, "tenant": reader.tenant}
    if "subject" in values:
        values["subject"] = values["subject"].replace("{tenant}", f"“{reader.tenant}”")
    return {**values, "link": f"{site_url}/w/{reader.slug}{told.page}"}


def _notice(payload: Mapping[str, object]) -> _Told:
    notice = msgspec.convert(payload, _Notice)
    subject = _SUBJECTS.get(notice.kind, "About {tenant}")
    return _Told(kind="notice", values={"subject": subject, "said": notice.said}, page="/billing")


def _moved(payload: Mapping[str, object]) -> _Told | None:
    return _switched("move", payload)


def _moved_back(payload: Mapping[str, object]) -> _Told | None:
    return _switched("move_undone", payload)


def _switched(kind: str, payload: Mapping[str, object]) -> _Told | None:
    """Tell of a move to another tier; one to another server changes nothing that people see."""
    switch = msgspec.convert(payload, _Switch)
    source, target = (_PLACES.get(each.split()[0]) for each in (switch.source, switch.target))
    if source is None or target is None or source == target:
        return None
    if kind == "move_undone":
        source, target = target, source
    values = {"source": source, "target": target, "pause": _lasting(switch.pause_ms)}
    return _Told(kind=kind, values=values, page="")


def _lasting(value_ms: float | None) -> str:
    if value_ms is None:
        return "a moment"
    return f"{value_ms:.0f} ms" if value_ms < _SECOND_MS else f"{value_ms / _SECOND_MS:.1f} s"


def _domain_lost(payload: Mapping[str, object]) -> _Told:
    lost = msgspec.convert(payload, _Lost)
    said = (
        f"The record that shows that {lost.domain} is yours is gone. Set it again by "
        f"{day(lost.off_at)}: after that nothing is served at {lost.domain} any more."
    )
    return _said(f"{lost.domain} will stop to lead to {{tenant}}", said, page="/domains")


def _domain_off(payload: Mapping[str, object]) -> _Told:
    off = msgspec.convert(payload, _Off)
    said = (
        f"Nothing is served at {off.domain} any more: the record that shows that it is yours "
        "wasn't there. Set it again, and it is served again."
    )
    return _said(f"{off.domain} no longer leads to {{tenant}}", said, page="/domains")


def _deletion_planned(payload: Mapping[str, object]) -> _Told:
    planned = msgspec.convert(payload, _Planned)
    said = (
        f"It was asked to erase the workspace with all its rows on {day(planned.due_at)}. Until "
        "then everything goes on, and it can be taken back."
    )
    return _said("{tenant} is to be erased", said, page="/data")


def _said(subject: str, said: str, *, page: str) -> _Told:
    return _Told(kind="notice", values={"subject": subject, "said": said}, page=page)


_TELLERS: Final[Mapping[str, Callable[[Mapping[str, object]], _Told | None]]] = {
    "notice.given": _notice,
    "move.decide": _moved,
    "move.undone": _moved_back,
    "domain.lost": _domain_lost,
    "domain.off": _domain_off,
    "deletion.planned": _deletion_planned,
}
