"""What is written of members, of keys, and of a workspace's end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from deploy.mail.told import Told, notice
from web.rendering import day, moment, number


class _Planned(msgspec.Struct, frozen=True, kw_only=True):
    due_at: datetime


class _Erased(msgspec.Struct, frozen=True, kw_only=True):
    certificate: str
    sha256: str
    erased_at: datetime
    rows: int
    tables: int
    exports: int


class _Role(msgspec.Struct, frozen=True, kw_only=True, rename={"source": "from", "target": "to"}):
    source: str
    target: str


class _Key(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    role: str
    by: str | None = None


def deletion_planned(payload: Mapping[str, object]) -> Told:
    """Tell the day, until which there is a way back."""
    planned = msgspec.convert(payload, _Planned)
    said = (
        f"It was asked to erase the workspace with all its rows on {day(planned.due_at)}. Until "
        "then everything goes on, and it can be taken back."
    )
    return notice("{tenant} is to be erased", said, page="/data")


def deletion_taken_back(payload: Mapping[str, object]) -> Told:
    """Tell that the day was called off."""
    planned = msgspec.convert(payload, _Planned)
    said = (
        f"That it be erased on {day(planned.due_at)} was taken back: the workspace stays, with all "
        "its rows, and there is nothing to do."
    )
    return notice("{tenant} stays", said, page="/data")


def erased(payload: Mapping[str, object]) -> Told:
    """Tell the last owners what the certificate says: there is no page any more to look at."""
    gone = msgspec.convert(payload, _Erased)
    values = {
        "at": moment(gone.erased_at),
        "rows": _count(gone.rows, "row"),
        "tables": _count(gone.tables, "table"),
        "exports": _count(gone.exports, "archive"),
        "certificate": gone.certificate,
        "sha256": gone.sha256,
    }
    return Told(kind="erased", values=values, page="")


def member_added(payload: Mapping[str, object]) -> Told:
    """Tell somebody whom nobody invited."""
    role = msgspec.convert(payload, _Role)
    said = f"You were made a member of it, as {role.target}. There is nothing to accept."
    return notice("You are a member of {tenant}", said, page="")


def member_changed(payload: Mapping[str, object]) -> Told:
    """Tell a member of another role."""
    role = msgspec.convert(payload, _Role)
    said = f"Your role in it is {role.target} now; it was {role.source}."
    return notice("You have another role in {tenant}", said, page="")


def member_removed(payload: Mapping[str, object]) -> Told:
    """Tell somebody who can't look any more."""
    role = msgspec.convert(payload, _Role)
    return Told(kind="removed", values={"role": role.source}, page="")


def key_made(payload: Mapping[str, object]) -> Told:
    """Tell of another way in; the key's secret is in no letter."""
    key = msgspec.convert(payload, _Key)
    by = f" by {key.by}" if key.by else ""
    said = (
        f"An API key named “{key.name}” was made{by}: a program that has it comes in as "
        f"{key.role}. If nobody of you expects that, revoke it at once."
    )
    told = notice("{tenant} has a new API key", said, page="/keys")
    return msgspec.structs.replace(told, is_for_proved=True)


def _count(value: int, noun: str) -> str:
    return f"{number(value)} {noun}" + ("" if value == 1 else "s")
