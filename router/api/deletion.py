"""The end of a tenant: asked for by an owner, waited for, taken back until its day."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from router.api.door import NEEDS
from router.api.errand import MemberErrand
from router.api.shapes import Word
from router.catalog import archives
from router.catalog.archives import Deletion
from router.catalog.moves import By
from router.catalog.operations import OperationState
from router.catalog.roles import OWNER, Permission
from router.errors import NotAllowed, Unprocessable

REASON_LENGTH_MAX = 500


class WantedDeletion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``confirm`` is the tenant's slug, written once more."""

    confirm: Word
    reason: Annotated[str, Meta(max_length=REASON_LENGTH_MAX)] = ""


class DeletionShown(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's end. Until ``due_at`` it can be taken back; ``is_begun``: not any more.

    ``is_stuck``: it couldn't be begun at its day, as when something is charged again by then.
    """

    requested_by: str
    requested_at: datetime
    reason: str
    due_at: datetime
    is_begun: bool
    is_stuck: bool

    @classmethod
    def of(cls, deletion: Deletion) -> DeletionShown:
        """Show a deletion."""
        return cls(
            requested_by=deletion.requested_by,
            requested_at=deletion.requested_at,
            reason=deletion.reason,
            due_at=deletion.due_at,
            is_begun=deletion.closed_at is not None,
            is_stuck=deletion.state is OperationState.FAILED,
        )


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a tenant is to be erased; null when it isn't."""

    deletion: DeletionShown | None


@post(
    "/deletion",
    status_code=202,
    tags=["data"],
    summary="Have the tenant erased, after a while",
    opt={NEEDS: Permission.BILLING_WRITE},
)
async def begin_deletion(
    errand: NamedDependency[MemberErrand], data: JSONBody[WantedDeletion]
) -> DeletionShown:
    """For an owner who is a person. All goes on until the day; then all is erased, for ever.

    A subscription that would go on being charged has to be cancelled first. Asked for again, it
    stays as it is; one that is stuck is tried again at once.
    """
    tenant = errand.tenant
    _check_owner(errand)
    if data.confirm != tenant.slug:
        raise Unprocessable(f"write {tenant.slug} to confirm: nothing was begun", field="confirm")
    await errand.parts.archives.check_leaving(tenant)
    by = By(actor=errand.actor, reason=data.reason, request_id=errand.request_id)
    connection, after = await errand.connection(), errand.parts.deletion_wait
    planned = await archives.find_deletion(connection, tenant.id)
    if planned is None:
        planned = await archives.begin_deletion(connection, tenant, by, after=after)
    elif planned.state is OperationState.FAILED:
        planned = await archives.begin_deletion(connection, tenant, by, after=timedelta())
    return DeletionShown.of(planned)


@get("/deletion", tags=["data"], summary="Whether the tenant is to be erased", opt={NEEDS: None})
async def show_deletion(errand: NamedDependency[MemberErrand]) -> Ending:
    """Everybody in it may know."""
    async with errand.parts.catalog.connection() as connection:
        planned = await archives.find_deletion(connection, errand.tenant.id)
    return Ending(deletion=DeletionShown.of(planned) if planned else None)


@delete(
    "/deletion",
    tags=["data"],
    summary="Take the deletion back",
    opt={NEEDS: Permission.SETTINGS_WRITE},
)
async def take_back_deletion(errand: NamedDependency[MemberErrand]) -> None:
    """Until its day; afterwards 409."""
    by = By(actor=errand.actor, reason="", request_id=errand.request_id)
    await archives.take_back_deletion(await errand.connection(), errand.tenant, by)


def _check_owner(errand: MemberErrand) -> None:
    if errand.role.name != OWNER or errand.account_id is None:
        raise NotAllowed("only an owner, logged in as a person, can end a tenant")
