"""Single sign-on: which identity provider speaks for which tenant, and who its subjects are."""

from __future__ import annotations

import hmac
import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from router.catalog import tokens
from router.errors import Conflict, NotFound, Unprocessable
from router.names import is_slug
from router.sealing import hash_token
from router.sql import load
from router.words import TenantId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.connect import Connection
    from router.sealing import Sealer

ROUND_LIFE = timedelta(minutes=10)
DOMAINS_MAX = 20
#: Where anybody gets a mailbox: nobody speaks for all who have one there.
OPEN_TO_ALL = frozenset(
    """
    aol.com fastmail.com gmail.com gmx.de gmx.net googlemail.com hey.com hotmail.com icloud.com
    live.com mac.com mail.com mail.ru me.com msn.com outlook.com pm.me proton.me protonmail.com
    qq.com
    163.com web.de yahoo.com yandex.ru ymail.com zoho.com
    """.split()  # noqa: SIM905 - a list of thirty quoted words is read by nobody
)
_DOMAIN = re.compile(r"(?=.{4,253}\Z)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
_SQL = load("router.catalog", "sign_on.sql")


class SignOn(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's provider. ``is_required``: members of its domains come no other way."""

    tenant_id: TenantId
    issuer: str
    client_id: str
    secret: str
    domains: tuple[str, ...]
    is_required: bool
    changed_at: datetime | None = None


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What goes along with a sign-on that begins: out with the browser, and kept by it."""

    state: str
    browser: str
    nonce: str
    verifier: str


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A sign-on as it was begun, when the browser comes back."""

    tenant_id: TenantId
    issuer: str
    nonce: str
    verifier: str
    #: Begun to see what the provider says: nobody enters by it.
    is_trial: bool


class TrialStep(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a log-in takes, and how it went."""

    name: str
    said: str
    is_good: bool


class TrialTold(msgspec.Struct, frozen=True, kw_only=True):
    """How a trial went, up to the first step that failed, and what the provider said.

    ``clock_skew_s``: how far the provider's clock is ahead of ours.
    """

    steps: tuple[TrialStep, ...]
    claims: dict[str, str]
    clock_skew_s: float | None

    @property
    def is_good(self) -> bool:
        """Whether somebody would have entered."""
        return all(step.is_good for step in self.steps)


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """The last trial of a provider as it is set now."""

    tried_at: datetime
    is_good: bool
    told: TrialTold


class _Sealed(msgspec.Struct, frozen=True):
    nonce: str
    verifier: str
    is_trial: bool = False


async def put(
    connection: Connection, sealer: Sealer, wanted: SignOn, *, keeps_trial: bool = False
) -> None:
    """Set a tenant's provider; needs a transaction. A domain leads to one tenant only.

    What was tried before says nothing of a provider that is set otherwise.
    """
    if not keeps_trial:
        await connection.execute(_SQL["drop_trial"], wanted.tenant_id)
    sealed = sealer.seal(wanted.secret.encode(), purpose=_purpose(wanted.tenant_id))
    await connection.execute(
        _SQL["put"], wanted.tenant_id, wanted.issuer, wanted.client_id, sealed, wanted.is_required
    )
    await connection.execute(_SQL["put_domains"], wanted.tenant_id, list(wanted.domains))
    known = await find(connection, sealer, wanted.tenant_id)
    missing = set(wanted.domains) - set(known.domains if known else ())
    if missing:
        raise Conflict(f"{', '.join(sorted(missing))} leads to another tenant's sign-on")


async def find(connection: Connection, sealer: Sealer, tenant_id: TenantId) -> SignOn | None:
    """Return a tenant's provider, with its secret."""
    row = await connection.fetchrow(_SQL["find"], tenant_id)
    if row is None:
        return None
    secret = sealer.unseal(row["secret_sealed"], purpose=_purpose(tenant_id))
    return SignOn(
        tenant_id=row["tenant_id"],
        issuer=row["issuer"],
        client_id=row["client_id"],
        secret=secret.decode(),
        domains=tuple(row["domains"]),
        is_required=row["is_required"],
        changed_at=row["changed_at"],
    )


async def find_by_company(connection: Connection, sealer: Sealer, company: str) -> SignOn | None:
    """Return the provider that an e-mail domain or a tenant's slug, also a former one, leads to."""
    normal = company.strip().lower()
    is_domain = _DOMAIN.fullmatch(normal) is not None
    if not is_domain and not is_slug(normal):
        return None
    name = "find_by_domain" if is_domain else "find_by_slug"
    tenant_id = await connection.fetchval(_SQL[name], normal)
    return None if tenant_id is None else await find(connection, sealer, tenant_id)


async def keep_trial(connection: Connection, tenant_id: TenantId, told: TrialTold) -> Trial:
    """Keep how a trial went, in place of the one before."""
    spelled = msgspec.json.encode(told).decode()
    tried_at = await connection.fetchval(_SQL["keep_trial"], tenant_id, told.is_good, spelled)
    return Trial(tried_at=tried_at, is_good=told.is_good, told=told)


async def trial_of(connection: Connection, tenant_id: TenantId) -> Trial | None:
    """Return the last trial of the provider as it is set now."""
    row = await connection.fetchrow(_SQL["trial_of"], tenant_id)
    if row is None:
        return None
    told = msgspec.json.decode(row["told"], type=TrialTold)
    return Trial(tried_at=row["tried_at"], is_good=row["is_good"], told=told)


async def remove(connection: Connection, tenant_id: TenantId) -> None:
    """Go back to passwords and passkeys."""
    if await connection.fetchval(_SQL["remove"], tenant_id) is None:
        raise NotFound("the tenant has no single sign-on")


async def has_domain(connection: Connection, tenant_id: TenantId, domain: str) -> bool:
    """Tell whether a tenant has verified a domain, or one above it."""
    found: bool = await connection.fetchval(_SQL["has_domain"], tenant_id, domain)
    return found


async def begin(
    connection: Connection, sealer: Sealer, known: SignOn, *, is_trial: bool = False
) -> Round:
    """Begin a sign-on: the answer belongs to the browser that brings the other half."""
    made = Round(
        state=tokens.draw_secret(),
        browser=tokens.draw_secret(),
        nonce=tokens.draw_secret(),
        verifier=tokens.draw_secret(),
    )
    state_hash = hash_token(made.state)
    kept = msgspec.json.encode(_Sealed(made.nonce, made.verifier, is_trial))
    await connection.execute(
        _SQL["begin"],
        state_hash,
        hash_token(made.browser),
        known.tenant_id,
        known.issuer,
        sealer.seal(kept, purpose=_round_purpose(state_hash)),
        ROUND_LIFE,
    )
    return made


async def end(connection: Connection, sealer: Sealer, *, state: str, browser: str) -> Kept:
    """Use a sign-on up, or raise: never begun, used, too old, or begun in another browser."""
    state_hash = hash_token(state)
    row = await connection.fetchrow(_SQL["end"], state_hash)
    if (
        row is None
        or not row["is_open"]
        or not hmac.compare_digest(row["browser_hash"], hash_token(browser))
    ):
        raise Unprocessable("this sign-on was used, is too old or began elsewhere: begin again")
    plain = sealer.unseal(row["kept_sealed"], purpose=_round_purpose(state_hash))
    kept = msgspec.json.decode(plain, type=_Sealed)
    return Kept(
        tenant_id=row["tenant_id"],
        issuer=row["issuer"],
        nonce=kept.nonce,
        verifier=kept.verifier,
        is_trial=kept.is_trial,
    )


async def account_of(connection: Connection, kept: Kept, subject: str) -> UUID | None:
    """Return whose subject it is, if it came before."""
    found: UUID | None = await connection.fetchval(
        _SQL["account_of"], kept.tenant_id, kept.issuer, subject
    )
    return found


async def is_tied(connection: Connection, kept: Kept, account_id: UUID) -> bool:
    """Tell whether an account is some subject's already."""
    found: bool = await connection.fetchval(
        _SQL["is_tied"], kept.tenant_id, kept.issuer, account_id
    )
    return found


async def tie(connection: Connection, kept: Kept, subject: str, account_id: UUID) -> None:
    """Remember whose subject it is; an account that has another one stays that one's."""
    tied = await connection.fetchval(_SQL["tie"], kept.tenant_id, kept.issuer, subject, account_id)
    if tied is None:
        raise Conflict("this address is somebody else's at your identity provider: ask an owner")


async def is_invited(connection: Connection, tenant_id: TenantId, email: str) -> bool:
    """Tell whether an address has an open invitation."""
    return await connection.fetchval(_SQL["open_invitation"], tenant_id, email) is not None


async def use_invitation(connection: Connection, tenant_id: TenantId, email: str) -> str | None:
    """Use up the open invitation of an address; return its role."""
    role: str | None = await connection.fetchval(_SQL["use_invitation"], tenant_id, email)
    return role


async def forget_old(connection: Connection) -> None:
    """Delete sign-ons that nobody came back from."""
    await connection.execute(_SQL["forget_old"])


def check_domains(domains: Sequence[str]) -> tuple[str, ...]:
    """Return the e-mail domains in the one spelling that is stored."""
    normal = tuple(sorted({domain.strip().lower() for domain in domains}))
    if len(normal) > DOMAINS_MAX:
        raise Unprocessable(f"a single sign-on has at most {DOMAINS_MAX} e-mail domains")
    for domain in normal:
        if _DOMAIN.fullmatch(domain) is None:
            raise Unprocessable(f"{domain[:80]!r} is no e-mail domain")
        if domain in OPEN_TO_ALL:
            raise Unprocessable(f"anybody has an address at {domain}: it can't be a tenant's")
    return normal


def domain_of(email: str) -> str:
    """Return the part behind the sign."""
    return email.strip().lower().rpartition("@")[2]


def _purpose(tenant_id: TenantId) -> str:
    return f"sign-on {tenant_id}"


def _round_purpose(state_hash: bytes) -> str:
    return f"sign-on round {state_hash.hex()}"
