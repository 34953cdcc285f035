"""API keys: a program's way in, in one role. The secret is shown once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from router.api.door import NEEDS
from router.api.errand import MemberErrand
from router.api.shapes import List, Name, Word
from router.catalog import keys, roles
from router.catalog.keys import ApiKey
from router.catalog.roles import Permission

DEFAULT_ROLE = "member"


class NewKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a key is for, and what it may do: never more than whoever makes it."""

    name: Name
    role: Word = DEFAULT_ROLE


class KeyShown(msgspec.Struct, frozen=True, kw_only=True):
    """A key without its secret."""

    id: str
    name: str
    role: str
    created_by: UUID | None
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class KeyMade(msgspec.Struct, frozen=True, kw_only=True):
    """A key with its secret, which is what a program sends as its bearer token."""

    id: str
    name: str
    role: str
    secret: str
    created_at: datetime


@get("/keys", tags=["keys"], summary="The tenant's API keys", opt={NEEDS: Permission.KEYS_READ})
async def list_keys(errand: NamedDependency[MemberErrand]) -> List[KeyShown]:
    """Revoked ones are listed too."""
    async with errand.parts.catalog.connection() as connection:
        found = await keys.list_all(connection, errand.tenant.id)
    return List(items=[_shown(key) for key in found])


@post(
    "/keys",
    status_code=201,
    tags=["keys"],
    summary="Make an API key",
    opt={NEEDS: Permission.KEYS_WRITE},
)
async def make_key(errand: NamedDependency[MemberErrand], data: JSONBody[NewKey]) -> KeyMade:
    """The secret is in this answer and nowhere else."""
    connection, tenant_id = await errand.connection(), errand.tenant.id
    roles.check_grant(errand.role, await roles.get(connection, tenant_id, data.role))
    issued = await keys.issue(
        connection, tenant_id, name=data.name, role=data.role, created_by=errand.account_id
    )
    await errand.record("key.create", issued.key.id, {"name": data.name, "role": data.role})
    return KeyMade(
        id=issued.key.id,
        name=issued.key.name,
        role=issued.key.role,
        secret=issued.secret,
        created_at=issued.key.created_at,
    )


@delete(
    "/keys/{key_id:str}",
    tags=["keys"],
    summary="Revoke an API key",
    opt={NEEDS: Permission.KEYS_WRITE},
)
async def revoke_key(
    errand: NamedDependency[MemberErrand],
    key_id: Annotated[str, PathParameter(description="The key's id.")],
) -> None:
    """Every gateway refuses it within a second, for good."""
    connection = await errand.connection()
    await keys.revoke(connection, errand.tenant.id, key_id)
    await errand.record("key.revoke", key_id)


def _shown(key: ApiKey) -> KeyShown:
    return KeyShown(
        id=key.id,
        name=key.name,
        role=key.role,
        created_by=key.created_by,
        created_at=key.created_at,
        last_used_at=key.last_used_at,
        revoked_at=key.revoked_at,
    )
