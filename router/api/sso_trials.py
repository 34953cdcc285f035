"""Trials of single sign-on: the whole way to the provider and back, and nobody enters by it."""

from __future__ import annotations

import json
import time
from typing import Annotated, Any, Final

import msgspec
from litestar import post
from litestar.di import NamedDependency
from litestar.params import JSONBody
from msgspec import Meta

from router import oidc
from router.api import throttle
from router.api.door import NEEDS
from router.api.errand import MemberErrand
from router.api.sso import check_owner, client_of, no_member
from router.catalog import accounts, members, sign_on
from router.catalog.accounts import check_email
from router.catalog.roles import Permission
from router.catalog.sign_on import Kept, SignOn, Trial, TrialStep, TrialTold
from router.errors import Conflict, NotAllowed, NotFound, PlatformError, Unprocessable
from router.oidc import Person

#: What a log-in takes, in this order; the first that fails is the last that is told.
STEPS: Final = ("provider", "log-in", "code", "signature", "claims", "domain", "person")
CLAIMS_MAX: Final = 40
CLAIM_LENGTH_MAX: Final = 300
#: Of no use to a reader, and drawn for one log-in.
_NOT_SHOWN: Final = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "jti", "sid"})
_TextBack = Annotated[str, Meta(max_length=4_000)]


class TrialStarted(msgspec.Struct, frozen=True, kw_only=True):
    """Where the browser goes; ``state`` is what it comes back with, ``browser`` what it keeps."""

    url: str
    state: str
    browser: str


class TrialReturn(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the provider sent the browser back with: a code, or why there is none."""

    state: Annotated[str, Meta(max_length=200)]
    browser: Annotated[str, Meta(max_length=200)]
    code: _TextBack | None = None
    error: _TextBack | None = None


class _Walk:
    """What went well so far, and what the provider said."""

    def __init__(self) -> None:
        self.steps: list[TrialStep] = []
        self.claims: dict[str, Any] = {}

    def passed(self, said: str) -> None:
        self._add(said, is_good=True)

    def failed(self, error: PlatformError) -> None:
        self._add(error.detail, is_good=False)

    def _add(self, said: str, *, is_good: bool) -> None:
        name = STEPS[len(self.steps)]
        self.steps.append(TrialStep(name=name, said=said, is_good=is_good))


@post(
    "/sso/trial",
    status_code=200,
    tags=["single sign-on"],
    summary="Begin to try the tenant's identity provider",
    opt={NEEDS: Permission.BILLING_WRITE},
)
async def begin_trial(errand: NamedDependency[MemberErrand]) -> TrialStarted:
    """Owners only. It goes the way of a log-in, and ends with what was seen on it."""
    check_owner(errand)
    await throttle.take(errand, throttle.SIGN_ON, about=f"trial {errand.tenant.id}")
    parts, known = errand.parts, await _known(errand)
    provider = await oidc.discover(parts.outside, known.issuer)
    begun = await sign_on.begin(await errand.connection(), parts.sealer, known, is_trial=True)
    url = oidc.authorization_url(
        provider,
        client_of(errand, known),
        state=begun.state,
        nonce=begun.nonce,
        verifier=begun.verifier,
    )
    return TrialStarted(url=url, state=begun.state, browser=begun.browser)


@post(
    "/sso/trial/finish",
    status_code=200,
    tags=["single sign-on"],
    summary="See what the identity provider answered",
    opt={NEEDS: Permission.BILLING_WRITE},
)
async def finish_trial(errand: NamedDependency[MemberErrand], data: JSONBody[TrialReturn]) -> Trial:
    """Nobody enters, joins or is tied to a subject by it; what was seen is kept."""
    check_owner(errand)
    parts = errand.parts
    known = await _known(errand)
    async with parts.catalog.connection() as connection:
        kept = await sign_on.end(connection, parts.sealer, state=data.state, browser=data.browser)
    if not kept.is_trial or kept.tenant_id != errand.tenant.id or kept.issuer != known.issuer:
        raise Unprocessable("this is no trial of the provider as it is set now: begin again")
    walk = _Walk()
    try:
        await _go(errand, known, kept, data, walk)
    except (Unprocessable, NotAllowed, Conflict) as error:
        walk.failed(error)
    told = TrialTold(
        steps=tuple(walk.steps), claims=_spell(walk.claims), clock_skew_s=_skew_s(walk.claims)
    )
    trial = await sign_on.keep_trial(await errand.connection(), errand.tenant.id, told)
    await errand.record("sso.try", errand.tenant.id, {"good": trial.is_good})
    return trial


async def _known(errand: MemberErrand) -> SignOn:
    async with errand.parts.catalog.connection() as connection:
        known = await sign_on.find(connection, errand.parts.sealer, errand.tenant.id)
    if known is None:
        raise NotFound("the tenant has no single sign-on")
    return known


async def _go(
    errand: MemberErrand, known: SignOn, kept: Kept, data: TrialReturn, walk: _Walk
) -> None:
    """Go the way of a log-in; raises where that one would be refused."""
    outside, client = errand.parts.outside, client_of(errand, known)
    provider = await oidc.discover(outside, known.issuer)
    walk.passed(f"{provider.issuer} tells its addresses.")
    if not data.code:
        reason = "".join(filter(str.isprintable, data.error or ""))[:CLAIM_LENGTH_MAX]
        raise Unprocessable(f"the provider sent no code: {reason or 'and no reason either'}")
    walk.passed("It let somebody in, and sent the browser back with a code.")
    id_token = await oidc.redeem(outside, provider, client, code=data.code, verifier=kept.verifier)
    walk.passed("It knew the client, and gave an ID token for the code.")
    walk.claims = await oidc.open_id_token(outside, provider, id_token=id_token)
    walk.passed("The token is signed by a key that it publishes.")
    person = oidc.check_claims(walk.claims, provider, client, nonce=kept.nonce)
    walk.passed("The token is of this issuer, for this client, this log-in and now.")
    email = check_email(person.email)
    if sign_on.domain_of(email) not in known.domains:
        raise NotAllowed(f"{email} isn't of the domains that this single sign-on speaks for")
    walk.passed(f"{email} is of a domain that it speaks for.")
    walk.passed(await _would_enter(errand, kept, person, email))


async def _would_enter(errand: MemberErrand, kept: Kept, person: Person, email: str) -> str:
    """Say as whom the person would enter; raises where the log-in would be refused."""
    async with errand.parts.catalog.connection() as connection:
        account_id = await sign_on.account_of(connection, kept, person.subject)
        account = (
            await accounts.find_by_id(connection, account_id)
            if account_id is not None
            else await accounts.find_by_email(connection, email)
        )
        is_invited = await sign_on.is_invited(connection, kept.tenant_id, email)
        member = (
            None if account is None else await members.find(connection, kept.tenant_id, account.id)
        )
        is_taken = (
            account is not None
            and account_id is None
            and await sign_on.is_tied(connection, kept, account.id)
        )
    if is_taken:
        raise Conflict(f"{email} is the address of another subject of the provider's here")
    if member is not None:
        return f"{member.email} would enter, as {member.role}."
    if not is_invited:
        raise no_member(email)
    if account is not None and account.email_verified_at is None:
        raise NotAllowed(f"{email} has an account that isn't confirmed: confirm it first")
    return f"{email} would join by its invitation."


def _spell(claims: dict[str, Any]) -> dict[str, str]:
    shown = [name for name in claims if name not in _NOT_SHOWN][:CLAIMS_MAX]
    return {_text(name): _text(claims[name]) for name in shown}


def _text(value: object) -> str:
    """Spell what a stranger signed: half characters and NUL are nothing that can be kept."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    whole = text[:CLAIM_LENGTH_MAX].encode("utf-8", "replace").decode()
    return whole.replace("\x00", "")


def _skew_s(claims: dict[str, Any]) -> float | None:
    made_at = claims.get("iat")
    if isinstance(made_at, bool) or not isinstance(made_at, int | float):
        return None
    try:
        return round(made_at - time.time(), 1)
    except OverflowError:
        return None
