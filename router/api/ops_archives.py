"""The operators' calls about archives and endings. Rows are no answer of any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from router.api.archives import ExportCursor, ExportShown
from router.api.deletion import DeletionShown, Ending
from router.api.errand import Errand
from router.api.invitations import InvitationShown, letter_of, shown
from router.api.ops import OpsTenant, Reference
from router.api.parts import WantedCopy
from router.api.shapes import Email, Limit, List, OperationShown, Word
from router.catalog import archives, members, tenants
from router.catalog.archives import Certificate, Export
from router.catalog.moves import By
from router.catalog.roles import OWNER
from router.errors import NotAllowed, NotFound, Unprocessable
from router.words import Tenant

if TYPE_CHECKING:
    from router.connect import Connection


class OpsExport(msgspec.Struct, frozen=True, kw_only=True):
    """An archive as operators see it: with what went wrong."""

    export: ExportShown
    error: str | None

    @classmethod
    def of(cls, export: Export) -> OpsExport:
        """Show an export."""
        return cls(export=ExportShown.of(export), error=export.error)


class NewRestore(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The new tenant; what isn't given is what the archive says."""

    slug: Word
    plan: Word | None = None
    owner_email: Email | None = None
    cluster: Word | None = None


class RestoreBegun(msgspec.Struct, frozen=True, kw_only=True):
    """The new tenant, and the operation that fills its place.

    ``invitation`` is there for an owner whose address nobody has proved. Its token goes by mail
    alone: whoever brings it reads the rows.
    """

    tenant: OpsTenant
    operation: OperationShown
    invitation: InvitationShown | None


class Erasure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``confirm`` is the slug, written once more. ``at_once`` leaves the tenant's own wait out."""

    confirm: Word
    at_once: bool = False


class CertificateShown(msgspec.Struct, frozen=True, kw_only=True):
    """What was erased. ``sha256`` is that of ``document``, which is the certificate as written."""

    certificate: Certificate
    document: str
    sha256: str


@post(
    "/tenants/{tenant:str}/exports",
    status_code=202,
    tags=["operators"],
    summary="Have an archive of a tenant taken",
)
async def ops_begin_export(errand: NamedDependency[Errand], tenant: Reference) -> OpsExport:
    """It lies where the tenant's own do; its people can fetch it, operators restore it."""
    errand.parts.archives.check_kept()
    connection = await errand.connection()
    found = (await tenants.get(connection, tenant)).tenant
    return OpsExport.of(await archives.begin_export(connection, found, _by(errand)))


@get("/tenants/{tenant:str}/exports", tags=["operators"], summary="A tenant's archives")
async def ops_list_exports(
    errand: NamedDependency[Errand],
    tenant: Reference,
    *,
    limit: Limit = 50,
    after: ExportCursor = None,
) -> List[OpsExport]:
    """The newest first."""
    async with errand.parts.catalog.connection() as connection:
        found = (await tenants.get(connection, tenant)).tenant
        page = await archives.list_exports(connection, found.id, before=after, items_max=limit)
    return List(items=[OpsExport.of(each) for each in page.items], next=page.next)


@post(
    "/tenants/{tenant:str}/exports/{export_id:uuid}/restore",
    status_code=202,
    tags=["operators"],
    summary="Restore an archive as a new tenant",
)
async def ops_restore(
    errand: NamedDependency[Errand],
    tenant: Reference,
    export_id: FromPath[UUID],
    data: JSONBody[NewRestore],
) -> RestoreBegun:
    """Nothing is restored over a tenant. It is let in once its rows are proved equal.

    Only an owner of the tenant can be named as the owner of its copy: staff read rows by access.
    """
    parts = errand.parts
    async with parts.catalog.connection() as connection:
        found = (await tenants.get(connection, tenant)).tenant
        await _check_owner(connection, found, data.owner_email)
        export = await archives.get_export(connection, export_id, tenant_id=found.id)
    if not export.has_file:
        raise NotFound(f"the archive {export_id} has no file, or none any more")
    wanted = WantedCopy(
        slug=data.slug, plan=data.plan, owner=data.owner_email, cluster=data.cluster
    )
    copy = await parts.archives.restore(errand.connection, export, wanted, _by(errand))
    if copy.invitation is not None:
        letter = letter_of(copy.invitation, tenant=copy.tenant, site_url=parts.site_url)
        await errand.write(letter)
    record = await tenants.get(await errand.connection(), str(copy.tenant.id))
    return RestoreBegun(
        tenant=OpsTenant.of(record),
        operation=OperationShown.of(copy.operation),
        invitation=shown(copy.invitation.invitation) if copy.invitation else None,
    )


@post("/tenants/{tenant:str}/erase", status_code=202, tags=["operators"], summary="Erase a tenant")
async def ops_erase(
    errand: NamedDependency[Errand], tenant: Reference, data: JSONBody[Erasure]
) -> DeletionShown:
    """After the wait that the tenant's own people have, or at once; for ever."""
    parts = errand.parts
    async with parts.catalog.connection() as connection:
        found = (await tenants.get(connection, tenant)).tenant
        planned = await archives.find_deletion(connection, found.id)
    if data.confirm != found.slug:
        raise Unprocessable(f"write {found.slug} to confirm: nothing was begun", field="confirm")
    if planned is None or planned.closed_at is None:
        await parts.archives.check_leaving(found)
    after = parts.deletion_wait * (0 if data.at_once else 1)
    begun = await archives.begin_deletion(
        await errand.connection(), found, _by(errand), after=after
    )
    return DeletionShown.of(begun)


@get("/tenants/{tenant:str}/deletion", tags=["operators"], summary="A tenant's end to come")
async def ops_show_deletion(errand: NamedDependency[Errand], tenant: Reference) -> Ending:
    """Null when there is none."""
    async with errand.parts.catalog.connection() as connection:
        found = (await tenants.get(connection, tenant)).tenant
        planned = await archives.find_deletion(connection, found.id)
    return Ending(deletion=DeletionShown.of(planned) if planned else None)


@delete("/tenants/{tenant:str}/deletion", tags=["operators"], summary="Take a deletion back")
async def ops_take_back_deletion(errand: NamedDependency[Errand], tenant: Reference) -> None:
    """Until its day; afterwards 409."""
    connection = await errand.connection()
    found = (await tenants.get(connection, tenant)).tenant
    await archives.take_back_deletion(connection, found, _by(errand))


@get(
    "/tenants/{tenant:str}/certificate",
    tags=["operators"],
    summary="The certificate of an erased tenant",
)
async def ops_show_certificate(
    errand: NamedDependency[Errand], tenant: Reference
) -> CertificateShown:
    """404 as long as it isn't erased."""
    async with errand.parts.catalog.connection() as connection:
        found: Tenant = (await tenants.get(connection, tenant)).tenant
        kept = await archives.get_certificate(connection, found)
    return CertificateShown(
        certificate=kept.certificate, document=kept.document, sha256=kept.sha256
    )


async def _check_owner(connection: Connection, tenant: Tenant, email: str | None) -> None:
    """Else whoever can have an archive taken owned a copy of any tenant's rows, unseen by it."""
    if email is None:
        return
    listed = await members.list_all(connection, tenant.id)
    if email.strip().lower() not in {each.email for each in listed if each.role == OWNER}:
        raise NotAllowed(
            f"{email} owns nothing of {tenant.slug}: name one of its owners, or nobody for those "
            "of the archive"
        )


def _by(errand: Errand) -> By:
    assert errand.reason is not None, "the door lets no change in without a reason"
    return By(actor=errand.actor, reason=errand.reason, request_id=errand.request_id)
