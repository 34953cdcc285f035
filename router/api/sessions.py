"""Sessions: log in, switch the tenant, log out."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from router.api.entering import LoggedIn, check_password_of, enter, opening_of
from router.api.errand import AccountErrand, Errand
from router.api.shapes import Email, Name, Password
from router.catalog import sessions
from router.errors import NotFound
from router.gateway.entrance import NO_SUCH_TENANT
from router.words import Tenant, TenantStatus


class LogIn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a person logs in with."""

    email: Email
    password: Password


class Switch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tenant to switch to, by slug or id."""

    tenant: Name


class Switched(msgspec.Struct, frozen=True, kw_only=True):
    """A token that is bound to the tenant. The one that was sent stays what it was."""

    token: str
    expires_at: datetime


@post(
    "/login",
    status_code=200,
    tags=["accounts"],
    summary="Log in",
    security=[{}],
)
async def log_in(errand: NamedDependency[Errand], data: JSONBody[LogIn]) -> LoggedIn:
    """Whatever is wrong, an unknown address or a wrong password, the answer is the same."""
    account = await check_password_of(
        errand, email=data.email, password=data.password, lets_newcomers=False
    )
    return await enter(errand, account)


@post(
    "/switch",
    status_code=200,
    tags=["accounts"],
    summary="Get a token for another of your tenants",
)
async def switch(errand: NamedDependency[AccountErrand], data: JSONBody[Switch]) -> Switched:
    """Membership is looked up here; a tenant that isn't there and a foreign one answer alike."""
    tenant = await _find(errand, data.tenant)
    if tenant is None or errand.credential.role_in(tenant.id) is None:
        raise NotFound(NO_SUCH_TENANT)
    only_tenant_id = tenant.id if errand.credential.is_confined else None
    opened = await sessions.open_session(
        await errand.connection(),
        errand.account_id,
        tenant_id=tenant.id,
        opening=msgspec.structs.replace(await opening_of(errand), only_tenant_id=only_tenant_id),
    )
    await errand.note("session.switch", errand.account_id, tenant_id=tenant.id)
    return Switched(token=opened.token, expires_at=opened.expires_at)


@post("/logout", status_code=204, tags=["accounts"], summary="End the session whose token is sent")
async def log_out(errand: NamedDependency[AccountErrand]) -> None:
    """Every gateway forgets the token within a second."""
    connection = await errand.connection()
    await sessions.end(connection, errand.token)
    await errand.note("session.end", errand.account_id, tenant_id=errand.credential.tenant_id)


async def _find(errand: AccountErrand, reference: str) -> Tenant | None:
    try:
        tenant = await errand.parts.directory.resolve_id(UUID(reference))
    except ValueError:
        tenant = await errand.parts.directory.resolve_slug(reference.lower())
    return None if tenant is None or tenant.status is TenantStatus.ERASED else tenant
