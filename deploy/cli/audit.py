"""``stepwell audit``."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import click
import msgspec

from deploy.cli.paging import first_items
from deploy.cli.reach import catalog_at, settings_for
from deploy.cli.shell import Failed, asynchronous, json_option, say, state_option
from deploy.cli.show import show_fields, show_json, show_table
from deploy.platform import secret_keys_of
from router.api.audit import VerdictShown
from router.catalog import audit as trail
from router.catalog import audit_chain, tenants

if TYPE_CHECKING:
    from router.catalog.audit import AuditEntry
    from router.catalog.catalog import Page

ENTRIES_MAX = 10_000
_HEAD = re.compile("[0-9a-fA-F]{64}")


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
    async with catalog_at(state) as catalog, catalog.connection() as connection:
        tenant_id = (await tenants.get(connection, reference)).tenant.id if reference else None

        async def ask(cursor: str | None, items_max: int) -> Page[AuditEntry]:
            return await trail.list_page(
                connection,
                tenant_id=tenant_id,
                before=int(cursor) if cursor else None,
                items_max=items_max,
            )

        documents = [AuditDocument.of(entry) for entry in await first_items(ask, limit)]
    if as_json:
        show_json(documents)
        return
    rows = [
        (f"{each.at:%Y-%m-%d %H:%M:%S}", each.actor, each.action, each.target, each.reason)
        for each in documents
    ]
    show_table(("at", "actor", "action", "target", "reason"), rows, empty="nothing was done yet")


def _head(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and _HEAD.fullmatch(value) is None:
        raise click.BadParameter("a head has 64 hexadecimal digits")
    return None if value is None else value.lower()


@audit.command()
@click.option(
    "--expect", "expected", metavar="HASH", callback=_head, help="A head that was noted earlier."
)
@state_option
@json_option
@asynchronous
async def verify(*, expected: str | None, state: Path, as_json: bool) -> None:
    """Recompute the whole trail, and say where it was altered, cut or rewritten.

    Note the head that is shown in a place that this installation can't write to.
    """
    keys = audit_chain.seal_keys(secret_keys_of(settings_for(state)))
    async with catalog_at(state) as catalog:
        verdict = VerdictShown.of(await audit_chain.verify(catalog, keys, expected=expected))
    if as_json:
        show_json(verdict)
    else:
        _show_verdict(verdict)
    if not verdict.whole:
        raise Failed(f"the audit isn't whole: {verdict.breaks[0].detail}")


def _show_verdict(verdict: VerdictShown) -> None:
    show_fields(
        {
            "entries": f"{verdict.entries:,}",
            "not sealed yet": f"{verdict.newer:,}",
            "sealed at": verdict.sealed_at,
            "head": verdict.head,
        }
    )
    if verdict.whole:
        say("the audit is whole")
        return
    rows = [
        (each.kind.value, each.entry, each.chain, each.position, each.detail)
        for each in verdict.breaks
    ]
    show_table(("break", "entry", "chain", "link", "what was found"), rows, empty="")
