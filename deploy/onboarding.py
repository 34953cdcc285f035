"""A new tenant by an operator's hand: the account, its owner and its operation, or none of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from deploy.platform import site_url
from deploy.provisioning import Provisioning
from router.api.invitations import letter_of
from router.catalog import audit, invitations, letters, tenants
from router.catalog.invitations import IssuedInvitation
from router.catalog.operations import Operation
from router.words import Tenant

if TYPE_CHECKING:
    from deploy.platform import Platform


class NewTenant(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator asks for."""

    name: str
    slug: str
    plan: str
    owner_email: str
    cluster: str | None = None


class Onboarded(msgspec.Struct, frozen=True, kw_only=True):
    """The tenant as it was recorded; ``invitation`` is for an owner with no proved address."""

    tenant: Tenant
    operation: Operation
    invitation: IssuedInvitation | None


async def onboard(platform: Platform, wanted: NewTenant, *, actor: str) -> Onboarded:
    """Record a tenant, its owner and the operation that makes its place; nothing is run yet."""
    provisioning = Provisioning(platform)
    async with platform.catalog.transaction() as connection:
        tenant = await tenants.create(
            connection, slug=wanted.slug, name=wanted.name, plan=wanted.plan
        )
        invitation = await invitations.make_owner(connection, tenant.id, wanted.owner_email)
        if invitation is not None:
            letter = letter_of(
                invitation, tenant=tenant, site_url=site_url(platform.settings.base_domain)
            )
            await letters.put(connection, platform.sealer, letter)
        operation = await provisioning.record(connection, tenant, cluster=wanted.cluster)
        await audit.write(
            connection,
            audit.Deed(
                actor=actor,
                action="tenant.create",
                target=tenant.slug,
                tenant_id=tenant.id,
                detail={"plan": tenant.plan, "cluster": operation.cluster},
            ),
        )
    return Onboarded(tenant=tenant, operation=operation, invitation=invitation)
