"""Another name or another slug for a tenant, as an operator gives it; old slugs lead on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from router.catalog import audit, tenants

if TYPE_CHECKING:
    from router.catalog import Catalog
    from router.catalog.tenants import TenantRecord
    from router.connect import Connection
    from router.words import Tenant


class NewNames(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be different, who wants it, and why; None stays."""

    name: str | None
    slug: str | None
    actor: str
    reason: str | None = None


async def rename(catalog: Catalog, reference: str, wanted: NewNames) -> TenantRecord:
    """Change both or neither; what is so already leaves no line in the audit."""
    async with catalog.transaction() as connection:
        tenant = (await tenants.get(connection, reference)).tenant
        if wanted.slug is not None and wanted.slug != tenant.slug:
            await tenants.rename_slug(connection, tenant.id, wanted.slug)
            await _note(connection, tenant, wanted, "tenant.set_slug")
        if wanted.name is not None and wanted.name.strip() != tenant.name:
            await tenants.set_name(connection, tenant.id, wanted.name)
            await _note(connection, tenant, wanted, "tenant.rename")
        return await tenants.get(connection, str(tenant.id))


async def _note(connection: Connection, tenant: Tenant, wanted: NewNames, action: str) -> None:
    before = tenant.name if action == "tenant.rename" else tenant.slug
    await audit.write(
        connection,
        audit.Deed(
            actor=wanted.actor,
            action=action,
            target=wanted.slug or tenant.slug,
            tenant_id=tenant.id,
            reason=wanted.reason,
            detail={"from": before},
        ),
    )
