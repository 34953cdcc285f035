"""The operators' calls about the staff: who may enter the console, and as what."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from router.api.access import by_of
from router.api.errand import Errand
from router.api.shapes import Email, List
from router.catalog import access, staff
from router.catalog.accounts import EMAIL_LENGTH_MAX
from router.catalog.credentials import StaffRole
from router.catalog.staff import StaffMember

Address = Annotated[
    str, PathParameter(description="The e-mail address.", max_length=EMAIL_LENGTH_MAX)
]


class NewStaff(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who, and as what."""

    email: Email
    role: StaffRole


@get("/staff", tags=["operators"], summary="Who may enter the console, and as what")
async def list_staff(errand: NamedDependency[Errand]) -> List[StaffMember]:
    """By address."""
    async with errand.parts.catalog.connection() as connection:
        return List(items=await staff.list_all(connection))


@post(
    "/staff",
    status_code=200,
    tags=["operators"],
    summary="Let somebody into the console, or change the role",
)
async def add_staff(errand: NamedDependency[Errand], data: JSONBody[NewStaff]) -> StaffMember:
    """For a person who has an account whose address is verified."""
    member = await staff.add(await errand.connection(), data.email, data.role)
    await errand.note("staff.add", member.email, tenant_id=None, detail={"role": member.role})
    return member


@delete("/staff/{email:str}", tags=["operators"], summary="Let somebody into the console no more")
async def remove_staff(errand: NamedDependency[Errand], email: Address) -> None:
    """Every gateway knows within a second. The account stays, with its workspaces."""
    connection = await errand.connection()
    removed = await staff.remove(connection, email)
    await access.end_all_of(connection, removed, by=by_of(errand))
    await errand.note("staff.remove", removed, tenant_id=None)
