"""Sign-up: an account, its tenant, the tenant's place, and a token, in one call."""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from router.api import throttle
from router.api.accounts import send_proof
from router.api.entering import check_password_of
from router.api.errand import Errand
from router.api.shapes import Email, Name, Password, TenantShown, User, Word
from router.catalog import accounts, members, operations, plans, sessions, tenants
from router.catalog.accounts import Account, check_email
from router.catalog.operations import Operation, OperationState
from router.catalog.passwords import check_password
from router.catalog.proofs import Purpose
from router.catalog.roles import OWNER
from router.catalog.tenants import check_name
from router.errors import Conflict, NotAuthenticated, Unavailable, Unprocessable
from router.names import check_slug
from router.words import Tenant, TenantStatus, Tier

DEFAULT_PLAN = "starter"
_RETRY_AFTER_S = 5


class SignUp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who signs up. Somebody who has an account gives its password and gets a further tenant."""

    email: Email
    password: Password
    company: Name
    slug: Word
    plan: Word = DEFAULT_PLAN


class SignedUp(msgspec.Struct, frozen=True, kw_only=True):
    """The new tenant, its owner, and a token that is bound to it.

    ``checkout_url`` is where a plan that costs something is paid; the tenant has the first plan
    until then. It is null when nothing is to be paid, or when it has to be asked for again:
    POST /api/billing/checkout.
    """

    tenant: TenantShown
    user: User
    token: str
    expires_at: datetime
    checkout_url: str | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The tenant that is to be made."""

    name: str
    slug: str
    plan: str


@post(
    "/signup",
    status_code=201,
    tags=["accounts"],
    summary="Sign up: an account with a tenant that is ready to use",
    security=[{}],
)
async def sign_up(errand: NamedDependency[Errand], data: JSONBody[SignUp]) -> SignedUp:
    """A sign-up that was broken off may be sent again as it was: it continues.

    The address isn't proved by it: a mail brings what does.
    """
    wanted = Wanted(name=data.company, slug=data.slug, plan=data.plan)
    account = await _account(errand, data, wanted)
    errand.actor = f"account:{account.id}"
    return await open_workspace(errand, account, wanted)


async def open_workspace(errand: Errand, account: Account, wanted: Wanted) -> SignedUp:
    """Make a tenant with its place, and open a session in it."""
    tenant, operation = await _tenant(errand, account, wanted)
    await errand.commit()
    done = await errand.parts.provisioning.run(operation.id)
    if done.state is not OperationState.DONE:
        raise Unavailable(
            f"tenant {tenant.slug} is still being made: send the same request again in a moment",
            retry_after_s=_RETRY_AFTER_S,
        )
    ready = await errand.parts.directory.refresh(tenant.id)
    checkout_url: str | None = None
    if errand.parts.billing.is_bought(wanted.plan):
        checkout_url = await errand.parts.billing.first_checkout_url(
            tenant, email=account.email, plan=wanted.plan
        )
    opened = await sessions.open_session(
        await errand.connection(), account.id, tenant_id=tenant.id, opening=errand.opening
    )
    return SignedUp(
        tenant=TenantShown.of(ready or tenant),
        user=User.of(account),
        token=opened.token,
        expires_at=opened.expires_at,
        checkout_url=checkout_url,
    )


async def check_wanted(errand: Errand, wanted: Wanted) -> None:
    """Refuse what can't be, before anything is recorded."""
    check_slug(wanted.slug)
    check_name(wanted.name)
    async with errand.parts.catalog.connection() as connection:
        plan = await plans.get(connection, wanted.plan)
    if plan.tier is Tier.DATABASE:
        raise Unprocessable(f"the plan {plan.name} is made with you: ask sales")


async def _account(errand: Errand, data: SignUp, wanted: Wanted) -> Account:
    """Return whose e-mail and password these are; an unknown address becomes an account."""
    check_password(data.password)
    email, passwords = check_email(data.email), errand.parts.passwords
    await check_wanted(errand, wanted)
    async with errand.parts.catalog.connection() as connection:
        known = await accounts.find_by_email(connection, email)
    if known is None:
        await throttle.take(errand, throttle.MAIL, about=email)
        # A hash costs what a check costs: how long the answer takes tells nothing.
        password_hash = await passwords.hash(data.password)
        connection = await errand.connection()
        try:
            made = await accounts.create(connection, email=email, password_hash=password_hash)
        except Conflict:  # signed up twice at once
            raise _unusable() from None
        await send_proof(errand, made.id, Purpose.VERIFY, email=email)
        return made
    try:
        return await check_password_of(errand, email=email, password=data.password)
    except NotAuthenticated:
        raise _unusable() from None


def _unusable() -> Conflict:
    return Conflict("this e-mail address can't be used with this password")


async def _tenant(errand: Errand, account: Account, wanted: Wanted) -> tuple[Tenant, Operation]:
    connection = await errand.connection()
    tenant = await tenants.find_by_slug(connection, wanted.slug)
    if tenant is None or not await _is_unfinished(errand, tenant, account):
        plan = DEFAULT_PLAN if errand.parts.billing.is_bought(wanted.plan) else wanted.plan
        tenant = await tenants.create(connection, slug=wanted.slug, name=wanted.name, plan=plan)
        await members.add(connection, tenant.id, account.id, role=OWNER)
        await errand.note(
            "tenant.create", tenant.id, tenant_id=tenant.id, detail={"plan": tenant.plan}
        )
    operation = await errand.parts.provisioning.record(connection, tenant)
    if operation.state is OperationState.FAILED:
        operation = await operations.retry(connection, operation.id)
    return tenant, operation


async def _is_unfinished(errand: Errand, tenant: Tenant, account: Account) -> bool:
    """Whether this very account began to make this tenant before, and was broken off."""
    if tenant.status is not TenantStatus.PROVISIONING:
        return False
    member = await members.find(await errand.connection(), tenant.id, account.id)
    return member is not None and member.role == OWNER
