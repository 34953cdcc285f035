"""Staff's access to a tenant's rows: the operators' calls, and what the tenant's people see."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from router.api.door import NEEDS, OPERATORS_ONLY, STAFF
from router.api.errand import Errand, MemberErrand
from router.api.shapes import Cursor, Limit, List, read_cursor
from router.catalog import access, tenants
from router.catalog.access import TICKET_LENGTH_MAX
from router.catalog.access_words import (
    Access,
    AccessMode,
    AccessState,
    By,
    Entered,
    Line,
    Wanted,
)
from router.catalog.credentials import StaffRole
from router.catalog.roles import Permission
from router.connect import Connection
from router.errors import BadRequest, NotAllowed, NotFound

#: Observers look, so they may ask to; whoever sells has no business in a tenant's rows.
LOOKERS = frozenset({StaffRole.OBSERVER, *OPERATORS_ONLY})
_MINUTES_MAX = 1_440


class NewAccess(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose rows, for how long, and the ticket that says more than X-Reason."""

    tenant: Annotated[str, Meta(min_length=1, max_length=200)]
    ticket: Annotated[str, Meta(min_length=1, max_length=TICKET_LENGTH_MAX)]
    minutes: Annotated[int, Meta(ge=1, le=_MINUTES_MAX)]
    mode: AccessMode = AccessMode.READ


class AccessSeen(msgspec.Struct, frozen=True, kw_only=True):
    """An access as the tenant's people see it. ``ends_at`` is null until it has begun."""

    id: UUID
    mode: AccessMode
    by: str
    approved_by: str | None
    reason: str
    ticket: str
    state: AccessState
    requested_at: datetime
    begun_at: datetime | None
    ends_at: datetime | None
    ended_at: datetime | None
    requests: int

    @classmethod
    def of(cls, known: Access) -> AccessSeen:
        """Show an access."""
        return cls(
            id=known.id,
            mode=known.mode,
            by=known.requested_by,
            approved_by=known.approved_by,
            reason=known.reason,
            ticket=known.ticket,
            state=known.state,
            requested_at=known.requested_at,
            begun_at=known.begun_at,
            ends_at=known.ends_at,
            ended_at=known.ended_at,
            requests=known.requests,
        )


@get(
    "/access",
    tags=["tenant"],
    summary="Staff's access to this tenant's rows: what lasts now, or all there ever was",
    opt={NEEDS: None},
)
async def list_own_access(
    errand: NamedDependency[MemberErrand],
    *,
    past: Annotated[
        bool, QueryParameter(description="Show what is over, was refused or never began, too.")
    ] = False,
    limit: Limit = 50,
    after: Cursor = None,
) -> List[AccessSeen]:
    """The newest first. What was done with it stands in the audit."""
    before = read_access_cursor(after)
    async with errand.parts.catalog.connection() as connection:
        page = await access.list_page(
            connection,
            tenant_id=errand.tenant.id,
            state=None if past else AccessState.ACTIVE,
            before=before,
            items_max=limit,
        )
    return List(items=[AccessSeen.of(each) for each in page.items], next=page.next)


@get(
    "/access/{access_id:uuid}",
    tags=["tenant"],
    summary="One of staff's accesses to this tenant's rows",
    opt={NEEDS: None},
)
async def show_own_access(
    errand: NamedDependency[MemberErrand], access_id: FromPath[UUID]
) -> AccessSeen:
    """As it stands now."""
    async with errand.parts.catalog.connection() as connection:
        return AccessSeen.of(await _own(connection, errand, access_id))


@get(
    "/access/{access_id:uuid}/transcript",
    tags=["tenant"],
    summary="What staff did in this tenant's rows: their requests, and the statements",
    opt={NEEDS: Permission.AUDIT_READ},
)
async def show_own_transcript(
    errand: NamedDependency[MemberErrand],
    access_id: FromPath[UUID],
    limit: Limit = 50,
    after: Cursor = None,
) -> List[Line]:
    """In order. Statements come without their values."""
    position = read_cursor(after) or 0
    async with errand.parts.catalog.connection() as connection:
        known = await _own(connection, errand, access_id)
        page = await access.transcript_page(connection, known.id, after=position, items_max=limit)
    return List(items=[*page.items], next=page.next)


@post(
    "/access",
    status_code=201,
    tags=["operators"],
    summary="Ask for access to a tenant's rows",
    opt={STAFF: LOOKERS},
)
async def ask_for_access(errand: NamedDependency[Errand], data: JSONBody[NewAccess]) -> Access:
    """To read it can be entered at once; to write, another operator approves it first."""
    if data.mode is AccessMode.WRITE and errand.staff and errand.staff.role not in OPERATORS_ONLY:
        raise NotAllowed(f"{errand.staff.email} is {errand.staff.role} of the staff and only reads")
    wanted = Wanted(tenant=data.tenant, mode=data.mode, ticket=data.ticket, minutes=data.minutes)
    return await access.ask(
        await errand.connection(),
        wanted,
        minutes_max=errand.parts.access_minutes_max,
        by=by_of(errand),
    )


@get("/access", tags=["operators"], summary="Access to tenants' rows, past and present")
async def list_access(
    errand: NamedDependency[Errand],
    *,
    tenant: Annotated[
        str | None, QueryParameter(max_length=200, description="A slug or an id.")
    ] = None,
    wanted: Annotated[
        AccessState | None, QueryParameter(name="state", description="Where it stands.")
    ] = None,
    limit: Limit = 50,
    after: Cursor = None,
) -> List[Access]:
    """The newest first."""
    before = read_access_cursor(after)
    async with errand.parts.catalog.connection() as connection:
        tenant_id = (await tenants.get(connection, tenant)).tenant.id if tenant else None
        page = await access.list_page(
            connection, tenant_id=tenant_id, state=wanted, before=before, items_max=limit
        )
    return List(items=[*page.items], next=page.next)


@get("/access/{access_id:uuid}", tags=["operators"], summary="One access to a tenant's rows")
async def show_access(errand: NamedDependency[Errand], access_id: FromPath[UUID]) -> Access:
    """As it stands now."""
    async with errand.parts.catalog.connection() as connection:
        return await access.get(connection, access_id)


@post(
    "/access/{access_id:uuid}/approve",
    status_code=200,
    tags=["operators"],
    summary="Let somebody else write",
)
async def approve_access(errand: NamedDependency[Errand], access_id: FromPath[UUID]) -> Access:
    """By a person with a name, and never by the one who asked."""
    return await access.approve(await errand.connection(), access_id, by=by_of(errand))


@post(
    "/access/{access_id:uuid}/deny",
    status_code=200,
    tags=["operators"],
    summary="Refuse what somebody asked for",
)
async def deny_access(errand: NamedDependency[Errand], access_id: FromPath[UUID]) -> Access:
    """As long as it hasn't begun."""
    return await access.deny(await errand.connection(), access_id, by=by_of(errand))


@post(
    "/access/{access_id:uuid}/enter",
    status_code=200,
    tags=["operators"],
    summary="Begin an access, and get its token",
    opt={STAFF: LOOKERS},
)
async def enter_access(errand: NamedDependency[Errand], access_id: FromPath[UUID]) -> Entered:
    """By whoever asked for it, once. The token opens the product's routes of that tenant."""
    return await access.enter(await errand.connection(), access_id, by=by_of(errand))


@post(
    "/access/{access_id:uuid}/end",
    status_code=200,
    tags=["operators"],
    summary="End an access, or take a request back",
    opt={STAFF: LOOKERS},
)
async def end_access(errand: NamedDependency[Errand], access_id: FromPath[UUID]) -> Access:
    """By any operator, and by whoever asked for it. Its next request is refused everywhere."""
    by = by_of(errand)
    async with errand.parts.catalog.connection() as connection:
        known = await access.get(connection, access_id)
    is_operator = errand.staff is None or errand.staff.role in OPERATORS_ONLY
    if not is_operator and known.requested_by != by.name:
        raise NotAllowed(f"access {access_id} is {known.requested_by}'s: an operator may end it")
    return await access.end(await errand.connection(), access_id, by=by)


@get(
    "/access/{access_id:uuid}/transcript",
    tags=["operators"],
    summary="What was done with an access: its requests, and their statements",
)
async def show_transcript(
    errand: NamedDependency[Errand],
    access_id: FromPath[UUID],
    limit: Limit = 50,
    after: Cursor = None,
) -> List[Line]:
    """In order. Statements come without their values, which are the tenant's."""
    position = read_cursor(after) or 0
    async with errand.parts.catalog.connection() as connection:
        known = await access.get(connection, access_id)
        page = await access.transcript_page(connection, known.id, after=position, items_max=limit)
    return List(items=[*page.items], next=page.next)


async def _own(connection: Connection, errand: MemberErrand, access_id: UUID) -> Access:
    """Return an access to the errand's tenant; another tenant's is as absent as none."""
    known = await access.get(connection, access_id)
    if known.tenant_id != errand.tenant.id:
        raise NotFound(f"there is no access {access_id}")
    return known


def by_of(errand: Errand) -> By:
    """Say who of the staff an errand is from."""
    return By(
        actor=errand.actor,
        name=errand.actor.removeprefix("operator:"),
        reason=errand.reason,
        request_id=errand.request_id,
    )


def read_access_cursor(text: str | None) -> UUID | None:
    """Read the cursor of a list of accesses."""
    if text is None:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise BadRequest("`after` is no cursor: send the `next` of the page before") from None
