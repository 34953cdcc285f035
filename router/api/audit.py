"""The tenant's own trail: what its members did, and what operators did to it, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from router.api.door import NEEDS
from router.api.errand import MemberErrand
from router.api.shapes import Cursor, Limit, List, read_cursor
from router.catalog import audit
from router.catalog.audit import AuditEntry
from router.catalog.audit_chain import Break, Verdict
from router.catalog.catalog import Page
from router.catalog.roles import Permission


class AuditLine(msgspec.Struct, frozen=True, kw_only=True):
    """One deed. ``actor`` is account:ID, key:ID, operator:NAME, staff:EMAIL or worker."""

    id: int
    at: datetime
    tenant: UUID | None
    actor: str
    action: str
    target: str
    reason: str | None
    detail: dict[str, object]
    request_id: str | None


class VerdictShown(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the trail is whole. ``head`` is what to note elsewhere, and to expect later.

    ``newer`` counts the entries that no seal vouches for yet.
    """

    whole: bool
    entries: int
    newer: int
    head: str | None
    sealed_at: datetime | None
    breaks: tuple[Break, ...]

    @classmethod
    def of(cls, verdict: Verdict) -> VerdictShown:
        """Leave out the signature."""
        last = verdict.seal
        return cls(
            whole=verdict.is_whole,
            entries=verdict.entries,
            newer=verdict.newer,
            head=None if last is None else last.digest.hex(),
            sealed_at=None if last is None else last.sealed_at,
            breaks=verdict.breaks,
        )


@get(
    "/audit",
    tags=["tenant"],
    summary="Who did what in this tenant, operators included",
    opt={NEEDS: Permission.AUDIT_READ},
)
async def list_audit(
    errand: NamedDependency[MemberErrand],
    *,
    staff: Annotated[
        bool, QueryParameter(description="Only what our staff did, access to rows included.")
    ] = False,
    limit: Limit = 50,
    after: Cursor = None,
) -> List[AuditLine]:
    """The newest first."""
    async with errand.parts.catalog.connection() as connection:
        page = await audit.list_page(
            connection,
            tenant_id=errand.tenant.id,
            by_staff=staff,
            before=read_cursor(after),
            items_max=limit,
        )
    return lines(page)


def lines(page: Page[AuditEntry]) -> List[AuditLine]:
    """Show a page of the trail."""
    return List(items=[_line(entry) for entry in page.items], next=page.next)


def _line(entry: AuditEntry) -> AuditLine:
    deed = entry.deed
    return AuditLine(
        id=entry.id,
        at=entry.at,
        tenant=deed.tenant_id,
        actor=deed.actor,
        action=deed.action,
        target=deed.target,
        reason=deed.reason,
        detail=deed.detail,
        request_id=deed.request_id,
    )
