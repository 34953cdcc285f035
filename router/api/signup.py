"""Sign-up: an account, its tenant, the tenant's place, and a token, in one call.

Or in two, where the address has to be proved first: then nobody learns by it who has an account
(docs/decisions/0017).
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from litestar import Response, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody

from router.api import throttle
from router.api.accounts import Mailed, knock, mailed, send_proof, steady
from router.api.entering import opening_of
from router.api.errand import Errand
from router.api.shapes import Email, Name, Password, TenantShown, User, Word
from router.catalog import accounts, members, operations, plans, sessions, tenants
from router.catalog.accounts import Account, check_email
from router.catalog.operations import Operation, OperationState
from router.catalog.passwords import check_password
from router.catalog.proofs import Purpose
from router.catalog.roles import OWNER
from router.catalog.tenants import check_name
from router.errors import Conflict, Unavailable, Unprocessable
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
    responses={
        201: ResponseSpec(
            data_container=SignedUp,
            description="The tenant, ready to use",
            generate_examples=False,
        ),
        202: ResponseSpec(
            data_container=Mailed,
            description="A letter is on its way: prove the address, then send this again",
            generate_examples=False,
        ),
    },
)
async def sign_up(
    errand: NamedDependency[Errand], data: JSONBody[SignUp]
) -> Response[SignedUp | Mailed]:
    """A sign-up that was broken off may be sent again as it was: it continues.

    Where sign-up is by mail (`STEPWELL_SIGN_UP`), the address is proved first: until then, and for
    an address that has another password, the answer is 202, and the mailbox learns what it means.
    """
    wanted = Wanted(name=data.company, slug=data.slug, plan=data.plan)
    check_password(data.password)
    email = check_email(data.email)
    await check_wanted(errand, wanted)
    account = await _account(errand, email, data.password)
    if account is None:
        return Response(mailed(email), status_code=202)
    errand.actor = f"account:{account.id}"
    return Response(await open_workspace(errand, account, wanted), status_code=201)


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
        await errand.connection(),
        account.id,
        tenant_id=tenant.id,
        opening=await opening_of(errand),
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


async def _account(errand: Errand, email: str, password: str) -> Account | None:
    """Return whose e-mail and password these are; None when only a letter may say more."""
    is_by_mail = errand.parts.is_sign_up_by_mail
    if not is_by_mail:
        made = await _new_account(errand, email, password)
        if made is not None:
            return made
    # Both, known or not: else how soon it is too often would tell.
    taken = [
        *await throttle.take(errand, throttle.LOG_IN, about=email),
        *await throttle.take(errand, throttle.MAIL, about=email),
    ]
    async with steady():
        account = await knock(errand, email, password, lets_unproved=not is_by_mail)
        if account is not None:
            await throttle.forgive(errand, taken)
        await errand.commit()
    return account


async def _new_account(errand: Errand, email: str, password: str) -> Account | None:
    """Make an account for an unknown address; None for a known one."""
    async with errand.parts.catalog.connection() as connection:
        known = await accounts.find_by_email(connection, email)
    if known is not None:
        return None
    await throttle.take(errand, throttle.MAIL, about=email)
    password_hash = await errand.parts.passwords.hash(password)
    connection = await errand.connection()
    try:
        made = await accounts.create(connection, email=email, password_hash=password_hash)
    except Conflict:  # signed up twice at once, or shut out
        return None
    await send_proof(errand, made.id, Purpose.VERIFY, email=email)
    return made


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
