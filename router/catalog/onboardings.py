"""Onboardings as they are kept: each change names the version that its author saw."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import msgspec

from router.catalog.accounts import check_email
from router.catalog.catalog import Page
from router.catalog.onboarding_words import Document, Onboarding, Receipt, Sheet, Stage
from router.catalog.tenants import check_name
from router.errors import Conflict, NotFound, Unprocessable
from router.sql import load

if TYPE_CHECKING:
    from datetime import date

    import asyncpg

    from router.connect import Connection
    from router.sealing import Sealer
    from router.words import TenantId

_SQL = load("router.catalog", "onboardings.sql")


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What a list shows of it: the deal's name, who of the staff sees to it, and until when."""

    name: str
    owner: str
    due_on: date | None = None


class OnboardingFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which onboardings a list shows."""

    stage: Stage | None = None
    owner: str | None = None


async def create(connection: Connection, head: Head, document: Document, *, by: str) -> Onboarding:
    """Begin one, as a draft."""
    head = checked_head(head)
    row = await connection.fetchrow(
        _SQL["create"], uuid4(), head.name, head.owner, head.due_on, _told(document), by
    )
    assert row is not None, "an insert returns its row"
    return _onboarding(row)


async def get(connection: Connection, onboarding_id: UUID) -> Onboarding:
    """Return one, or raise NotFound."""
    row = await connection.fetchrow(_SQL["find"], onboarding_id)
    if row is None:
        raise NotFound(f"there is no onboarding {onboarding_id}")
    return _onboarding(row)


async def get_version(connection: Connection, onboarding_id: UUID, version: int) -> Onboarding:
    """Return one that may still change, if it is the version that somebody saw."""
    found = await get(connection, onboarding_id)
    if found.version != version:
        raise _changed(found)
    if found.stage.is_ended:
        raise Conflict(f"the onboarding of {found.name} is {found.stage.value}: it stays as it is")
    return found


async def list_page(
    connection: Connection,
    chosen: OnboardingFilter,
    *,
    before: UUID | None = None,
    items_max: int = 50,
) -> Page[Onboarding]:
    """List them from the newest; ``before`` is the cursor that the last page gave."""
    rows = await connection.fetch(_SQL["list"], chosen.stage, chosen.owner, before, items_max + 1)
    items = tuple(_onboarding(row) for row in rows[:items_max])
    return Page(items=items, next=str(items[-1].id) if len(rows) > items_max else None)


async def save(connection: Connection, changed: Onboarding, *, by: str) -> Onboarding:
    """Keep a changed one; raises Conflict where somebody else changed it since it was read."""
    row = await connection.fetchrow(
        _SQL["change"],
        changed.id,
        changed.version,
        changed.name,
        changed.stage,
        changed.owner,
        changed.due_on,
        _told(changed.document),
        changed.secret,
        changed.tenant_id,
        by,
    )
    if row is None:
        raise _changed(await get(connection, changed.id))
    return _onboarding(row)


async def check_not_taken(
    connection: Connection, onboarding: Onboarding, tenant_id: TenantId
) -> None:
    """Raise Conflict where another onboarding has this tenant."""
    other = await connection.fetchval(_SQL["of_tenant"], tenant_id, onboarding.id)
    if other is not None:
        raise Conflict(f"this tenant is brought in already, by onboarding {other}")


async def keep_receipt(connection: Connection, sheet: Sheet, *, by: str) -> Receipt:
    """Keep a filled sheet for ever."""
    document = msgspec.json.encode(sheet).decode()
    row = await connection.fetchrow(
        _SQL["keep_receipt"],
        uuid4(),
        sheet.onboarding,
        by,
        sheet.has_passed,
        document,
        hashlib.sha256(document.encode()).hexdigest(),
    )
    assert row is not None, "an insert returns its row"
    return _receipt(row)


async def newest_receipt(connection: Connection, onboarding_id: UUID) -> Receipt | None:
    """Return what was shown last."""
    row = await connection.fetchrow(_SQL["newest_receipt"], onboarding_id)
    return None if row is None else _receipt(row)


def checked_head(head: Head) -> Head:
    """Return a head whose name and owner could be ones."""
    try:
        owner = check_email(head.owner)
    except Unprocessable as error:
        raise Unprocessable(error.detail, field="owner") from None
    try:
        return Head(name=check_name(head.name), owner=owner, due_on=head.due_on)
    except Unprocessable as error:
        raise Unprocessable(error.detail, field="name") from None


def seal(sealer: Sealer, onboarding_id: UUID, password: str) -> bytes:
    """Seal the password of a customer's own server."""
    return sealer.seal(password.encode(), purpose=_purpose(onboarding_id))


def unseal(sealer: Sealer, onboarding: Onboarding) -> str:
    """Return the password, for the one connection that needs it."""
    assert onboarding.secret is not None, "what a stage lacks was looked at before"
    return sealer.unseal(onboarding.secret, purpose=_purpose(onboarding.id)).decode()


def _purpose(onboarding_id: UUID) -> str:
    return f"server of onboarding {onboarding_id}"


def _changed(found: Onboarding) -> Conflict:
    return Conflict(
        f"{found.changed_by} changed this onboarding meanwhile, it is at version {found.version} "
        "now: look at that before you save yours"
    )


def _told(document: Document) -> str:
    return msgspec.json.encode(document).decode()


def _onboarding(row: asyncpg.Record) -> Onboarding:
    return Onboarding(
        id=row["id"],
        name=row["name"],
        stage=Stage(row["stage"]),
        owner=row["owner"],
        due_on=row["due_on"],
        document=msgspec.json.decode(row["told"], type=Document),
        secret=row["secret_sealed"],
        tenant_id=row["tenant_id"],
        version=row["version"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        changed_by=row["changed_by"],
        changed_at=row["changed_at"],
    )


def _receipt(row: asyncpg.Record) -> Receipt:
    return Receipt(
        id=row["id"],
        made_at=row["made_at"],
        made_by=row["made_by"],
        has_passed=row["has_passed"],
        sheet=msgspec.json.decode(row["document"], type=Sheet),
        sha256=row["sha256"],
    )
