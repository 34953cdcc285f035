"""Single sign-on: a tenant's own identity provider, and the log-in through it.

What a provider says is good in its tenant alone (router/api/entering.py tells why), and it lets in
members and invited addresses, nobody else.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from router import oidc
from router.api import throttle
from router.api.door import NEEDS
from router.api.entering import LoggedIn, enter
from router.api.errand import Errand, MemberErrand
from router.api.features import require_feature
from router.api.seats import check_seat
from router.api.shapes import Email, Name, Word
from router.catalog import accounts, members, sign_on, tenants
from router.catalog.accounts import Account, check_email
from router.catalog.roles import OWNER, Permission
from router.catalog.sign_on import Kept, SignOn, Trial
from router.errors import NotAllowed, NotFound, Unprocessable
from router.oidc import Client, Person
from router.outside import URL_LENGTH_MAX
from router.words import TenantStatus

SINGLE_SIGN_ON: Final = "single_sign_on"
CALLBACK: Final = "/login/sso/return"
_Secret = Annotated[str, Meta(min_length=1, max_length=1_000)]
_Code = Annotated[str, Meta(min_length=1, max_length=4_000)]


class SignOnWanted(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A provider. The secret may be left out when it is the one that is kept already.

    `required`: members with an address of these domains come by it alone, but for owners.
    """

    issuer: Annotated[str, Meta(min_length=8, max_length=URL_LENGTH_MAX)]
    client_id: Annotated[str, Meta(min_length=1, max_length=300)]
    client_secret: _Secret | None = None
    email_domains: Annotated[list[Name], Meta(min_length=1, max_length=sign_on.DOMAINS_MAX)]
    required: bool = False


class SignOnShown(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's provider, without its secret, which nobody sees again."""

    issuer: str
    client_id: str
    email_domains: list[str]
    required: bool
    #: What the provider has to know as the address that people come back to.
    redirect_uri: str
    changed_at: datetime | None
    #: What came of trying it last, as it is set now.
    trial: Trial | None


class SignOnStart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who wants to log in, or where: an address, or the company's e-mail domain or slug."""

    email: Email | None = None
    company: Word | None = None


class SignOnStarted(msgspec.Struct, frozen=True, kw_only=True):
    """Where the browser goes, and what it keeps to itself until it is back."""

    url: str
    browser: str


class SignOnReturn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the provider sent the browser back with, and what that one kept."""

    state: Annotated[str, Meta(max_length=200)]
    code: _Code
    browser: Annotated[str, Meta(max_length=200)]
    #: Who sent it, where the provider says so.
    iss: Annotated[str, Meta(max_length=URL_LENGTH_MAX)] | None = None


@get(
    "/sso",
    tags=["single sign-on"],
    summary="The tenant's identity provider",
    opt={NEEDS: Permission.SETTINGS_WRITE},
)
async def show_sign_on(errand: NamedDependency[MemberErrand]) -> SignOnShown:
    """Without its secret."""
    async with errand.parts.catalog.connection() as connection:
        known = await sign_on.find(connection, errand.parts.sealer, errand.tenant.id)
        trial = await sign_on.trial_of(connection, errand.tenant.id)
    if known is None:
        raise NotFound("the tenant has no single sign-on")
    return _shown(errand, known, trial)


@put(
    "/sso",
    tags=["single sign-on"],
    summary="Set the tenant's identity provider",
    opt={NEEDS: Permission.SETTINGS_WRITE},
)
async def put_sign_on(
    errand: NamedDependency[MemberErrand], data: JSONBody[SignOnWanted]
) -> SignOnShown:
    """Owners only, with a plan that has it. The provider is asked for its addresses at once.

    A domain must be the owner's own, by its proved address, or one that the tenant has verified.
    What is to be required has to be tried first, as it is set: else it would lock members out.
    """
    check_owner(errand)
    parts, tenant = errand.parts, errand.tenant
    domains = sign_on.check_domains(data.email_domains)
    async with parts.catalog.connection() as connection:
        await require_feature(connection, tenant, SINGLE_SIGN_ON)
        known = await sign_on.find(connection, parts.sealer, tenant.id)
        trial = await sign_on.trial_of(connection, tenant.id)
    await _check_own(errand, domains)
    # A kept secret goes to the issuer and client that it was given for, and nowhere else.
    is_same = known is not None and (known.issuer, known.client_id) == (data.issuer, data.client_id)
    secret = data.client_secret or (known.secret if known and is_same else None)
    if secret is None:
        raise Unprocessable("send the client secret too", field="client_secret")
    await oidc.discover(parts.outside, data.issuer)
    wanted = SignOn(
        tenant_id=tenant.id,
        issuer=data.issuer,
        client_id=data.client_id,
        secret=secret,
        domains=domains,
        is_required=data.required,
    )
    is_as_tried = (
        is_same
        and known is not None
        and (known.secret, known.domains)
        == (
            secret,
            domains,
        )
    )
    is_tried = is_as_tried and trial is not None and trial.is_good
    was_required = is_same and known is not None and known.is_required
    if wanted.is_required and not (is_tried or was_required):
        raise Unprocessable(
            "try it first, as it is set now, and require it once that went well", field="required"
        )
    await sign_on.put(await errand.connection(), parts.sealer, wanted, keeps_trial=is_as_tried)
    detail: dict[str, object] = {"issuer": data.issuer, "required": data.required}
    await errand.record("sso.put", tenant.id, {**detail, "domains": list(domains)})
    return _shown(errand, wanted, trial if is_as_tried else None)


@delete(
    "/sso",
    tags=["single sign-on"],
    summary="Forget the tenant's identity provider",
    opt={NEEDS: Permission.BILLING_WRITE},
)
async def remove_sign_on(errand: NamedDependency[MemberErrand]) -> None:
    """Members log in with password or passkey again."""
    check_owner(errand)
    await sign_on.remove(await errand.connection(), errand.tenant.id)
    await errand.record("sso.remove", errand.tenant.id)


@post(
    "/sso/start",
    status_code=200,
    tags=["single sign-on"],
    summary="Begin to log in by single sign-on",
    security=[{}],
)
async def start_sign_on(
    errand: NamedDependency[Errand], data: JSONBody[SignOnStart]
) -> SignOnStarted:
    """By the domain or the slug alone: whether an address is a member's isn't told.

    A slug that nobody has answers as one whose tenant has no single sign-on.
    """
    if (data.email is None) == (data.company is None):
        raise Unprocessable("send the e-mail address, or the company's e-mail domain or slug")
    company = sign_on.domain_of(check_email(data.email)) if data.email else data.company or ""
    await throttle.take(errand, throttle.SIGN_ON, about=data.email or company)
    parts = errand.parts
    async with parts.catalog.connection() as connection:
        known = await sign_on.find_by_company(connection, parts.sealer, company)
    if known is None:
        raise NotFound(f"no single sign-on is known for {company!r}")
    provider = await oidc.discover(parts.outside, known.issuer)
    begun = await sign_on.begin(await errand.connection(), parts.sealer, known)
    url = oidc.authorization_url(
        provider,
        client_of(errand, known),
        state=begun.state,
        nonce=begun.nonce,
        verifier=begun.verifier,
    )
    return SignOnStarted(url=url, browser=begun.browser)


@post(
    "/sso/finish",
    status_code=200,
    tags=["single sign-on"],
    summary="Log in with what the identity provider answered",
    security=[{}],
)
async def finish_sign_on(errand: NamedDependency[Errand], data: JSONBody[SignOnReturn]) -> LoggedIn:
    """Works once, within ten minutes, in the browser that began. The session is good in the
    provider's tenant alone.
    """
    parts = errand.parts
    taken = await throttle.take(errand, throttle.SIGN_ON, about=errand.source)
    async with parts.catalog.connection() as connection:
        kept = await sign_on.end(connection, parts.sealer, state=data.state, browser=data.browser)
        known = await sign_on.find(connection, parts.sealer, kept.tenant_id)
    if kept.is_trial:
        raise Unprocessable("this was a trial: begin to log in")
    if known is None or known.issuer != kept.issuer:
        raise Unprocessable("the tenant's single sign-on was changed meanwhile: begin again")
    provider, client = await oidc.discover(parts.outside, known.issuer), client_of(errand, known)
    oidc.check_returned(provider, data.iss)
    id_token = await oidc.redeem(
        parts.outside, provider, client, code=data.code, verifier=kept.verifier
    )
    person = await oidc.read_id_token(
        parts.outside, provider, client, id_token=id_token, nonce=kept.nonce
    )
    account = await _let_in(errand, known, kept, person)
    await throttle.forgive(errand, taken)
    return await enter(errand, account, only_tenant_id=kept.tenant_id)


async def _let_in(errand: Errand, known: SignOn, kept: Kept, person: Person) -> Account:
    """Return the member that a provider's subject is; an invitation is accepted on the way."""
    email = check_email(person.email)
    if sign_on.domain_of(email) not in known.domains:
        raise NotAllowed(f"{email} isn't of the domains that this single sign-on speaks for")
    connection = await errand.connection()
    account_id = await sign_on.account_of(connection, kept, person.subject)
    account = (
        await accounts.find_by_id(connection, account_id)
        if account_id is not None
        else await accounts.find_by_email(connection, email)
    )
    is_unproved = account is not None and account.email_verified_at is None
    if account is None and await sign_on.is_invited(connection, kept.tenant_id, email):
        account = await accounts.create(connection, email=email, name=person.name[:200])
    if account is None:
        raise no_member(email)
    errand.actor = f"account:{account.id}"
    if await members.find(connection, kept.tenant_id, account.id) is None:
        if is_unproved:
            # Somebody else may have made it, who would come along with a password of their own.
            raise NotAllowed(f"{email} has an account that isn't confirmed: confirm it first")
        await _join(errand, kept, account)
    if account_id is None:
        await sign_on.tie(connection, kept, person.subject, account.id)
    return account


async def _join(errand: Errand, kept: Kept, account: Account) -> None:
    connection = await errand.connection()
    tenant = await tenants.get_by_id(connection, kept.tenant_id)
    if tenant.status is TenantStatus.ERASED:
        raise no_member(account.email)
    role = await sign_on.use_invitation(connection, kept.tenant_id, account.email)
    if role is None:
        raise no_member(account.email)
    await check_seat(connection, tenant, upgrade_url=errand.parts.upgrade_url)
    membership = await members.add(connection, tenant.id, account.id, role=role)
    await errand.note("member.accept", membership.id, tenant_id=tenant.id, detail={"role": role})


async def _check_own(errand: MemberErrand, domains: tuple[str, ...]) -> None:
    async with errand.parts.catalog.connection() as connection:
        account = (
            await accounts.find_by_id(connection, errand.account_id) if errand.account_id else None
        )
        own = "" if account is None or account.email_verified_at is None else account.email
        for domain in domains:
            if domain == sign_on.domain_of(own):
                continue
            if not await sign_on.has_domain(connection, errand.tenant.id, domain):
                raise NotAllowed(
                    f"show first that {domain} is yours: with a proved address of your own there, "
                    "or by verifying it as a domain of the tenant"
                )


def check_owner(errand: MemberErrand) -> None:
    """Keep everybody out who owns nothing here."""
    if errand.role.name != OWNER:
        raise NotAllowed("only an owner sets who may say who the members are")


def no_member(email: str) -> NotAllowed:
    """Refuse somebody whom the provider knows and we don't."""
    return NotAllowed(f"{email} is no member here and has no open invitation: ask an owner for one")


def client_of(errand: Errand, known: SignOn) -> Client:
    """Return who we are to a tenant's provider."""
    return Client(
        client_id=known.client_id, secret=known.secret, redirect_uri=_redirect_uri(errand)
    )


def _redirect_uri(errand: Errand) -> str:
    return errand.parts.site_url + CALLBACK


def _shown(errand: Errand, known: SignOn, trial: Trial | None) -> SignOnShown:
    return SignOnShown(
        issuer=known.issuer,
        client_id=known.client_id,
        email_domains=list(known.domains),
        required=known.is_required,
        redirect_uri=_redirect_uri(errand),
        changed_at=known.changed_at,
        trial=trial,
    )
