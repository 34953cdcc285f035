"""``stepwell audit``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click
import msgspec

from deploy.cli.reach import catalog_at
from deploy.cli.shell import asynchronous, json_option, state_option
from deploy.cli.show import show_json, show_table
from router.catalog import audit as trail
from router.catalog import tenants

if TYPE_CHECKING:
    from router.catalog.audit import AuditEntry

ENTRIES_MAX = 10_000
PAGE_ITEMS = 200


class AuditDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the trail."""

    id: int
    at: datetime
    tenant_id: UUID | None
    actor: str
    action: str
    target: str
    reason: str | None
    detail: dict[str, object]
    request_id: str | None

    @classmethod
    def of(cls, entry: AuditEntry) -> AuditDocument:
        """Flatten an entry."""
        deed = entry.deed
        return cls(
            id=entry.id,
            at=entry.at,
            tenant_id=deed.tenant_id,
            actor=deed.actor,
            action=deed.action,
            target=deed.target,
            reason=deed.reason,
            detail=deed.detail,
            request_id=deed.request_id,
        )


@click.group()
def audit() -> None:
    """Who did what to whom, and why."""


@audit.command("list")
@click.option("--tenant", "reference", metavar="T", help="Only what concerns this tenant.")
@click.option(
    "--limit",
    type=click.IntRange(1, ENTRIES_MAX),
    default=50,
    show_default=True,
    help="How many of the newest entries.",
)
@state_option
@json_option
@asynchronous
async def list_entries(*, reference: str | None, limit: int, state: Path, as_json: bool) -> None:
    """List the trail, the newest entry first."""
    documents: list[AuditDocument] = []
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        tenant_id = (await tenants.get(connection, reference)).tenant.id if reference else None
        before: int | None = None
        while len(documents) < limit:
            page = await trail.list_page(
                connection,
                tenant_id=tenant_id,
                before=before,
                items_max=min(PAGE_ITEMS, limit - len(documents)),
            )
            documents += [AuditDocument.of(entry) for entry in page.items]
            if page.next is None:
                break
            before = int(page.next)
    if as_json:
        show_json(documents)
        return
    rows = [
        (f"{each.at:%Y-%m-%d %H:%M:%S}", each.actor, each.action, each.target, each.reason)
        for each in documents
    ]
    show_table(("at", "actor", "action", "target", "reason"), rows, empty="nothing was done yet")
