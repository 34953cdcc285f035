"""An archive of a tenant's own, restored as another workspace of the person who asks."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from router.api import throttle
from router.api.door import NEEDS
from router.api.errand import MemberErrand
from router.api.parts import WantedCopy
from router.api.shapes import OperationShown, TenantShown
from router.api.signup import DEFAULT_PLAN
from router.catalog import accounts, archives, tenants
from router.catalog.accounts import Account
from router.catalog.moves import By
from router.catalog.roles import Permission
from router.errors import Conflict, NotAllowed, NotFound
from router.names import check_slug

_SLUG_ASKED_MAX = 100


class NewCopy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the new workspace is found."""

    slug: Annotated[str, Meta(max_length=_SLUG_ASKED_MAX)]


class CopyBegun(msgspec.Struct, frozen=True, kw_only=True):
    """The new workspace; it is there, among its owner's, when its rows are proved equal."""

    tenant: TenantShown
    operation: OperationShown


@post(
    "/exports/{export_id:uuid}/restore",
    status_code=202,
    tags=["data"],
    summary="Restore an archive as another workspace",
    opt={NEEDS: Permission.SETTINGS_WRITE},
)
async def restore_export(
    errand: NamedDependency[MemberErrand], export_id: FromPath[UUID], data: JSONBody[NewCopy]
) -> CopyBegun:
    """Its owner is the person who asks, with a proved address; it begins on the plan starter.

    Nothing is restored over a workspace. Five a day: each takes a slug for ever. Whoever owns it
    reads all rows, so it takes `rows.read` too.
    """
    errand.demand(Permission.ROWS_READ)
    parts = errand.parts
    async with parts.catalog.connection() as connection:
        export = await archives.get_export(connection, export_id, tenant_id=errand.tenant.id)
    if not export.has_file:
        raise NotFound(f"the archive {export_id} has no file, or none any more")
    owner = await _person(errand)
    await _check_free(errand, data.slug)
    await throttle.take(errand, throttle.RESTORE, about=str(owner.id))
    wanted = WantedCopy(slug=data.slug, plan=DEFAULT_PLAN, owner=owner.email)
    by = By(actor=errand.actor, reason="", request_id=errand.request_id)
    copy = await parts.archives.restore(errand.connection, export, wanted, by)
    await errand.record("export.restore", str(export_id), {"as": data.slug})
    return CopyBegun(
        tenant=TenantShown.of(copy.tenant), operation=OperationShown.of(copy.operation)
    )


async def _person(errand: MemberErrand) -> Account:
    if errand.account_id is None or errand.credential.is_confined:
        raise NotAllowed("log in as a person, with your own password or passkey, to own it")
    async with errand.parts.catalog.connection() as connection:
        account = await accounts.find_by_id(connection, errand.account_id)
    if account is None:
        raise NotAllowed("this account is shut out")
    if account.email_verified_at is None:
        raise NotAllowed(f"{account.email} isn't proved yet: open the link of the mail")
    return account


async def _check_free(errand: MemberErrand, slug: str) -> None:
    check_slug(slug)
    try:
        async with errand.parts.catalog.connection() as connection:
            await tenants.check_free(connection, slug)
    except Conflict as taken:
        raise Conflict(taken.detail, field="slug") from taken
