"""Which letters the outbox's messages ask for: what a tenant's people want to be told, no more."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from billing.life_words import Cause
from billing.telling import PLAN_ENDS, PLAN_LEFT, READ_ONLY
from deploy.mail import access_news, people_news, plan_news
from deploy.mail.told import Told, notice
from router.catalog.letters import Letter
from router.words import Standing
from web.rendering import day

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
}


class _Notice(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    said: str


class _Standing(
    msgspec.Struct, frozen=True, kw_only=True, rename={"source": "from", "target": "to"}
):
    source: Standing
    target: Standing


class _Lost(msgspec.Struct, frozen=True, kw_only=True):
    domain: str
    off_at: datetime


class _Off(msgspec.Struct, frozen=True, kw_only=True):
    domain: str


class _Addressed(msgspec.Struct, frozen=True, kw_only=True):
    readers: tuple[str, ...] | None = None


def addresses_of(message: Message) -> tuple[str, ...] | None:
    """Return whom a message itself names; None where it is for those who see to the tenant.

    Raises msgspec.ValidationError for a message that isn't shaped as its kind is.
    """
    return msgspec.convert(message.payload, _Addressed).readers


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
            wait=told.wait,
        )
        for reader in readers
        if (reader.is_owner or not told.is_for_owners)
        and (reader.is_proved or not told.is_for_proved)
    ]


def _values(told: Told, reader: Reader, site_url: str) -> dict[str, str]:
    values = {**told.values, "tenant": reader.tenant}
    if "subject" in values:
        values["subject"] = values["subject"].replace("{tenant}", f"“{reader.tenant}”")
    return {**values, "link": f"{site_url}/w/{reader.slug}{told.page}"}


def _notice(payload: Mapping[str, object]) -> Told | None:
    given = msgspec.convert(payload, _Notice)
    if given.kind == PLAN_LEFT:
        return None  # the change itself is told, with all that it brings
    return notice(_SUBJECTS.get(given.kind, "About {tenant}"), given.said, page="/billing")


def _standing_changed(payload: Mapping[str, object]) -> Told | None:
    """Tell that writing goes on; what leads to a standing that is worse, notices tell."""
    change = msgspec.convert(payload, _Standing)
    if change.source is not Standing.READ_ONLY:
        return None
    said = "Thank you: what was due is settled, and its rows can be changed again."
    return notice("{tenant} can be changed again", said, page="/billing")


def _domain_lost(payload: Mapping[str, object]) -> Told:
    lost = msgspec.convert(payload, _Lost)
    said = (
        f"The record that shows that {lost.domain} is yours is gone. Set it again by "
        f"{day(lost.off_at)}: after that nothing is served at {lost.domain} any more."
    )
    return notice(f"{lost.domain} will stop to lead to {{tenant}}", said, page="/domains")


def _domain_off(payload: Mapping[str, object]) -> Told:
    off = msgspec.convert(payload, _Off)
    said = (
        f"Nothing is served at {off.domain} any more: the record that shows that it is yours "
        "wasn't there. Set it again, and it is served again."
    )
    return notice(f"{off.domain} no longer leads to {{tenant}}", said, page="/domains")


_TELLERS: Final[Mapping[str, Callable[[Mapping[str, object]], Told | None]]] = {
    "notice.given": _notice,
    "plan.changed": plan_news.plan_changed,
    "standing.changed": _standing_changed,
    "move.decide": plan_news.moved,
    "move.undone": plan_news.moved_back,
    "domain.lost": _domain_lost,
    "domain.off": _domain_off,
    "access.ask": access_news.asked,
    "access.begin": access_news.begun,
    "access.end": access_news.ended,
    "member.add": people_news.member_added,
    "member.change": people_news.member_changed,
    "member.remove": people_news.member_removed,
    "key.create": people_news.key_made,
    "deletion.planned": people_news.deletion_planned,
    "deletion.taken_back": people_news.deletion_taken_back,
    "tenant.erased": people_news.erased,
}
