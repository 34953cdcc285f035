"""Domains that tenants say are theirs: claimed, shown by a TXT record, served, and looked at again.

A claim leads nowhere and keeps nobody from claiming the same. Who can write the record has the
domain: it changes hands when another tenant's record is there and its holder's isn't any more.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import dns.exception
import dns.name
import msgspec

from router.catalog import audit, moves
from router.catalog.tenants import is_domain
from router.errors import Conflict, NotFound, Unprocessable
from router.sql import load
from router.words import TenantId

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    import asyncpg

    from router.connect import Connection

#: Domains that one tenant may have, claimed and served together.
CLAIMS_MAX: Final = 20
#: How long a claim waits for its record.
CLAIM_LIFE: Final = timedelta(days=7)
#: How soon a worker looks again for a record that is awaited, was there, or is gone.
LOOK_AWAITED: Final = timedelta(minutes=10)
LOOK_SERVED: Final = timedelta(days=1)
LOOK_LOST: Final = timedelta(hours=1)
#: A worker that dies over a claim leaves it to the next one for so long.
LOOK_TAKEN: Final = timedelta(minutes=5)
RECORD_LABEL: Final = "_stepwell"
_NAME_LENGTH_MAX: Final = 253 - len(RECORD_LABEL) - 1
_TYPED_LENGTH_MAX: Final = 300
#: Names that mean something else on every machine, or nothing anywhere.
_NOWHERE: Final = frozenset({"arpa", "internal", "local", "localhost", "onion"})
_TOKEN_BYTES: Final = 24
_SQL = load("router.catalog", "claims.sql")


class ClaimState(StrEnum):
    """Where a claim stands; ``lost`` is still served, until its day."""

    PENDING = "pending"
    VERIFIED = "verified"
    LOST = "lost"


class Verdict(StrEnum):
    """What the records at a name mean for one claim of it."""

    SHOWN = "shown"
    MISSING = "missing"
    HELD = "held"


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """One tenant's claim of one domain, with what the last look found missing."""

    tenant_id: TenantId
    name: str
    token: str
    claimed_at: datetime
    expires_at: datetime | None
    checked_at: datetime | None
    problem: str | None
    verified_at: datetime | None
    off_at: datetime | None

    @property
    def state(self) -> ClaimState:
        """Where it stands."""
        if self.verified_at is None:
            return ClaimState.PENDING
        return ClaimState.VERIFIED if self.off_at is None else ClaimState.LOST

    @property
    def record_name(self) -> str:
        """Where the record belongs."""
        return f"{RECORD_LABEL}.{self.name}"

    @property
    def record_value(self) -> str:
        """What the record says."""
        return f"stepwell={self.token}"


def spell(typed: str, *, site_host: str) -> str:
    """Return a domain as it is stored: ASCII, lower case, without the dot at the end.

    Raises Unprocessable for what is no domain, or is none that a tenant can have.
    """
    text = typed.strip().lower()
    name = _ascii(text.removesuffix("."))
    labels = name.split(".")
    if not is_domain(name) or labels[-1].isdigit():
        raise _wrong(f"{typed[:80]!r} is no domain name: write it as shop.example.com")
    if labels[-1] in _NOWHERE:
        raise _wrong(f"{name[:80]} leads nowhere on the internet: name a domain that you have")
    if len(name) > _NAME_LENGTH_MAX:
        raise _wrong(f"the domain has more than {_NAME_LENGTH_MAX} characters")
    if name == site_host or name.endswith("." + site_host) or site_host.endswith("." + name):
        raise _wrong(f"{name} belongs to the platform: name a domain of your own")
    return name


def judge(claim: Claim, others: Sequence[Claim], texts: AbstractSet[str]) -> Verdict:
    """Say what the records mean; ``others`` are the claims that other tenants have of the name."""
    if claim.record_value not in texts:
        return Verdict.MISSING
    if any(each.verified_at is not None and each.record_value in texts for each in others):
        return Verdict.HELD
    return Verdict.SHOWN


async def claim(connection: Connection, tenant_id: TenantId, name: str) -> Claim:
    """Record a claim; asked again, the same one with its time begun anew. Needs a transaction."""
    await connection.execute(_SQL["hold_tenant"], tenant_id)
    is_known = await connection.fetchrow(_SQL["find"], tenant_id, name) is not None
    if not is_known and await connection.fetchval(_SQL["count"], tenant_id) >= CLAIMS_MAX:
        raise Conflict(f"a tenant may have {CLAIMS_MAX} domains: remove one first")
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    row = await connection.fetchrow(_SQL["put"], tenant_id, name, token, CLAIM_LIFE)
    assert row is not None, "what is put is returned"
    return _claim(row)


async def list_all(connection: Connection, tenant_id: TenantId) -> list[Claim]:
    """Return a tenant's claims, by name."""
    return [_claim(row) for row in await connection.fetch(_SQL["list"], tenant_id)]


async def get(connection: Connection, tenant_id: TenantId, name: str) -> Claim:
    """Return one claim, or raise NotFound."""
    row = await connection.fetchrow(_SQL["find"], tenant_id, name)
    if row is None:
        raise NotFound(f"the tenant has no domain {name[:80]!r}")
    return _claim(row)


async def heed(
    connection: Connection, looked: Claim, texts: AbstractSet[str], *, actor: str, grace: timedelta
) -> Claim:
    """Do what the records say: serve the domain, warn, or let it go. Needs a transaction.

    ``grace`` is how long a domain whose record is gone is served on.
    """
    held = [_claim(row) for row in await connection.fetch(_SQL["hold"], looked.name)]
    found = next((each for each in held if each.tenant_id == looked.tenant_id), None)
    if found is None:
        raise NotFound(f"the tenant has no domain {looked.name!r} any more")
    others = [each for each in held if each is not found]
    match judge(found, others, texts):
        case Verdict.SHOWN:
            await _serve(connection, found, others, actor)
        case Verdict.HELD:
            said = "another workspace serves it, and its record is still there: remove that one"
            await _miss(connection, found, said)
        case Verdict.MISSING:
            await _missing(connection, found, texts, actor=actor, grace=grace)
    return await get(connection, found.tenant_id, found.name)


async def heed_silence(connection: Connection, looked: Claim) -> Claim:
    """Note that nobody could say: nothing is served or let go for that."""
    said = "no name server answered: this is looked at again"
    await connection.execute(_SQL["missing"], looked.tenant_id, looked.name, said, LOOK_LOST)
    return await get(connection, looked.tenant_id, looked.name)


async def remove(connection: Connection, tenant_id: TenantId, name: str) -> None:
    """Take a claim away; what was served is served no more. Needs a transaction."""
    if await connection.fetchval(_SQL["remove"], tenant_id, name) is None:
        raise NotFound(f"the tenant has no domain {name[:80]!r}")
    await connection.execute(_SQL["stop"], tenant_id, name)


async def due(connection: Connection, *, items_max: int) -> list[Claim]:
    """Take claims whose records are to be looked at now; forgets those that waited too long."""
    await connection.execute(_SQL["forget_expired"])
    return [_claim(row) for row in await connection.fetch(_SQL["due"], items_max, LOOK_TAKEN)]


async def _serve(connection: Connection, found: Claim, others: Sequence[Claim], actor: str) -> None:
    for each in others:
        if each.verified_at is not None:
            await _let_go(connection, each, "another workspace has shown that it has the domain")
    await connection.execute(_SQL["verified"], found.tenant_id, found.name, LOOK_SERVED)
    await connection.execute(_SQL["serve"], found.tenant_id, found.name)
    if found.state is not ClaimState.VERIFIED:
        await _note(connection, "domain.verify", found, actor)


async def _missing(
    connection: Connection, found: Claim, texts: AbstractSet[str], *, actor: str, grace: timedelta
) -> None:
    said = _said(found, texts)
    if found.verified_at is None:
        await _miss(connection, found, said)
    elif found.off_at is None:
        await connection.execute(_SQL["warn"], found.tenant_id, found.name, said, LOOK_LOST, grace)
        warned = await get(connection, found.tenant_id, found.name)
        assert warned.off_at is not None, "it was just set"
        told: dict[str, object] = {"domain": found.name, "off_at": warned.off_at.isoformat()}
        await _note(connection, "domain.lose", found, actor, {"off_at": told["off_at"]})
        await moves.put_out(connection, "domain.lost", found.tenant_id, told)
    elif await connection.fetchval("SELECT now() >= $1::timestamptz", found.off_at):
        await _let_go(connection, found, said)
    else:
        await _miss(connection, found, said)


async def _let_go(connection: Connection, found: Claim, said: str) -> None:
    await connection.execute(_SQL["stop"], found.tenant_id, found.name)
    await connection.execute(
        _SQL["off"], found.tenant_id, found.name, said, CLAIM_LIFE, LOOK_AWAITED
    )
    await _note(connection, "domain.off", found, "worker", {"why": said})
    await moves.put_out(connection, "domain.off", found.tenant_id, {"domain": found.name})


async def _miss(connection: Connection, found: Claim, said: str) -> None:
    after = LOOK_AWAITED if found.state is ClaimState.PENDING else LOOK_LOST
    await connection.execute(_SQL["missing"], found.tenant_id, found.name, said, after)


async def _note(
    connection: Connection,
    action: str,
    found: Claim,
    actor: str,
    detail: dict[str, object] | None = None,
) -> None:
    deed = audit.Deed(
        actor=actor,
        action=action,
        target=found.name,
        tenant_id=found.tenant_id,
        detail=detail or {},
    )
    await audit.write(connection, deed)


def _said(found: Claim, texts: AbstractSet[str]) -> str:
    if not texts:
        return f"there is no TXT record at {found.record_name}"
    return f"the TXT record at {found.record_name} says something else"


def _ascii(text: str) -> str:
    if not text or len(text) > _TYPED_LENGTH_MAX:
        return ""
    try:
        made = dns.name.from_text(text, origin=None, idna_codec=dns.name.IDNA_2008_Practical)
    except (dns.exception.DNSException, UnicodeError):
        return ""
    return made.to_text().lower()


def _wrong(said: str) -> Unprocessable:
    return Unprocessable(said, field="name")


def _claim(row: asyncpg.Record) -> Claim:
    return Claim(
        tenant_id=row["tenant_id"],
        name=row["name"],
        token=row["token"],
        claimed_at=row["claimed_at"],
        expires_at=row["expires_at"],
        checked_at=row["checked_at"],
        problem=row["problem"],
        verified_at=row["verified_at"],
        off_at=row["off_at"],
    )
