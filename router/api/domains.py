"""Domains of a tenant's own: claimed, shown by a TXT record, and then an address of the product."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, PathParameter

from router.api import throttle
from router.api.door import NEEDS
from router.api.errand import Errand, MemberErrand
from router.api.features import CUSTOM_DOMAINS, require_feature
from router.api.ops import Reference
from router.api.shapes import List, Name
from router.catalog import claims, tenants
from router.catalog.claims import Claim, ClaimState
from router.catalog.roles import Permission
from router.records import RecordsSilent

_DomainPath = Annotated[str, PathParameter(description="The domain.", max_length=300)]


class NewDomain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A domain that the tenant says is its own."""

    name: Name


class DomainRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The record that shows it: for whoever looks after the domain's DNS."""

    type: str
    name: str
    value: str


class DomainShown(msgspec.Struct, frozen=True, kw_only=True):
    """A domain. A pending one goes at ``expires_at``; a lost one is served until ``off_at``.

    ``problem`` is what the last look, at ``checked_at``, found missing.
    """

    name: str
    state: ClaimState
    record: DomainRecord
    claimed_at: datetime
    expires_at: datetime | None
    checked_at: datetime | None
    problem: str | None
    verified_at: datetime | None
    off_at: datetime | None

    @classmethod
    def of(cls, claim: Claim) -> DomainShown:
        """Show a claim."""
        return cls(
            name=claim.name,
            state=claim.state,
            record=DomainRecord(type="TXT", name=claim.record_name, value=claim.record_value),
            claimed_at=claim.claimed_at,
            expires_at=claim.expires_at,
            checked_at=claim.checked_at,
            problem=claim.problem,
            verified_at=claim.verified_at,
            off_at=claim.off_at,
        )


@get(
    "/domains",
    tags=["domains"],
    summary="The tenant's domains",
    opt={NEEDS: Permission.SETTINGS_WRITE},
)
async def list_domains(errand: NamedDependency[MemberErrand]) -> List[DomainShown]:
    """Those that are served, and those that wait for their record."""
    async with errand.parts.catalog.connection() as connection:
        found = await claims.list_all(connection, errand.tenant.id)
    return List(items=[DomainShown.of(each) for each in found])


@post(
    "/domains",
    status_code=201,
    tags=["domains"],
    summary="Claim a domain",
    opt={NEEDS: Permission.SETTINGS_WRITE},
)
async def claim_domain(
    errand: NamedDependency[MemberErrand], data: JSONBody[NewDomain]
) -> DomainShown:
    """It leads nowhere until its TXT record is there; claimed again, its week begins anew.

    Takes a plan with `custom_domains`. Whoever else claims it too is kept from nothing.
    """
    name = claims.spell(data.name, site_host=errand.parts.site_host)
    connection, tenant = await errand.connection(), errand.tenant
    await require_feature(connection, tenant, CUSTOM_DOMAINS)
    claimed = await claims.claim(connection, tenant.id, name)
    await errand.record("domain.claim", name)
    return DomainShown.of(claimed)


@post(
    "/domains/{name:str}/check",
    status_code=200,
    tags=["domains"],
    summary="Look for a domain's record now",
    opt={NEEDS: Permission.SETTINGS_WRITE},
)
async def check_domain(errand: NamedDependency[MemberErrand], name: _DomainPath) -> DomainShown:
    """Workers look by themselves, too. Where the record is there, the domain is served at once."""
    parts, tenant_id = errand.parts, errand.tenant.id
    async with parts.catalog.connection() as connection:
        claim = await claims.get(connection, tenant_id, name.lower())
    await throttle.take(errand, throttle.DOMAIN, about=f"{tenant_id} {claim.name}")
    try:
        texts = await parts.records.texts(claim.record_name)
    except RecordsSilent:
        return DomainShown.of(await claims.heed_silence(await errand.connection(), claim))
    heeded = await claims.heed(
        await errand.connection(), claim, texts, actor=errand.actor, grace=parts.domain_grace
    )
    return DomainShown.of(heeded)


@delete(
    "/domains/{name:str}",
    tags=["domains"],
    summary="Give a domain up",
    opt={NEEDS: Permission.SETTINGS_WRITE},
)
async def remove_domain(errand: NamedDependency[MemberErrand], name: _DomainPath) -> None:
    """It leads nowhere within a second, and may be another tenant's."""
    name = name.lower()
    await claims.remove(await errand.connection(), errand.tenant.id, name)
    await errand.record("domain.remove", name)


@get("/tenants/{tenant:str}/domains", tags=["operators"], summary="A tenant's domains")
async def ops_list_domains(errand: NamedDependency[Errand], tenant: Reference) -> List[DomainShown]:
    """Those that are served, and those that wait for their record."""
    async with errand.parts.catalog.connection() as connection:
        found = (await tenants.get(connection, tenant)).tenant
        listed = await claims.list_all(connection, found.id)
    return List(items=[DomainShown.of(each) for each in listed])
