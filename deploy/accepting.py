"""The acceptance sheet: what is tried on one tenant before its customer is told that it is live."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import msgspec

from deploy import archiving
from deploy.doctor import RULES, DatabaseName, Patient, examine
from router.catalog import audit, onboardings, tenants
from router.catalog.moves import By
from router.catalog.onboarding_words import AcceptanceData, Check, PlaceKind, Sheet
from router.connect import connect
from router.errors import Conflict, DatabaseUnreachable, PlatformError
from router.fleet import APP_LOGIN
from router.lease import Entry, Moved
from router.words import Mode, Placement, Tenant

if TYPE_CHECKING:
    from deploy.platform import Platform
    from router.catalog.operations import Operation
    from router.catalog.runner import Progress

_FINDINGS_TOLD_MAX = 3


class AcceptanceHandler:
    """Does operations of kind ``acceptance``: tries everything, and keeps the receipt.

    What a check finds is a line of the sheet, never a failure of the operation.
    """

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    async def __call__(self, operation: Operation, progress: Progress) -> None:
        """Fill the sheet, and keep it together with the end of the operation."""
        asked = operation.read(AcceptanceData)
        assert operation.tenant_id is not None, "an acceptance is of a tenant"
        async with self._platform.catalog.connection() as connection:
            tenant = await tenants.get_by_id(connection, operation.tenant_id)
            onboarding = await onboardings.get(connection, asked.onboarding)
        place = onboarding.document.place
        own_cluster = place.cluster if place.kind is PlaceKind.OWN else None
        by = By(actor=asked.actor, reason=asked.reason)
        checks = await fill(self._platform, tenant, by, rehearsal_cluster=own_cluster)
        placement = _placement(tenant)
        sheet = Sheet(
            onboarding=onboarding.id,
            tenant=tenant.id,
            slug=tenant.slug,
            tier=placement.tier,
            cluster=placement.cluster,
            at=datetime.now(UTC),
            checks=checks,
        )
        async with self._platform.catalog.transaction() as connection:
            receipt = await onboardings.keep_receipt(connection, sheet, by=asked.actor)
            deed = audit.Deed(
                actor=asked.actor,
                action="onboarding.receipt",
                target=str(onboarding.id),
                tenant_id=tenant.id,
                reason=asked.reason,
                detail={"has_passed": receipt.has_passed, "sha256": receipt.sha256},
            )
            await audit.write(connection, deed)
            await progress.finish_in(connection)


async def fill(
    platform: Platform, tenant: Tenant, by: By, *, rehearsal_cluster: str | None
) -> tuple[Check, ...]:
    """Try everything on a tenant, one after the other."""
    placement = _placement(tenant)
    stranger = await _stranger(platform, tenant)
    return (
        await _rules(platform, placement),
        await _enters(platform, tenant),
        await _knock(platform, placement, stranger, name="another tenant knocks"),
        await _knock(
            platform,
            msgspec.structs.replace(placement, epoch=placement.epoch - 1),
            tenant.id,
            name="an outdated route knocks",
        ),
        await _foreign_login(platform, placement),
        await _rehearsal(platform, tenant, by, rehearsal_cluster),
    )


async def _rules(platform: Platform, placement: Placement) -> Check:
    """Have the doctor examine this tenant's server and database."""
    name = DatabaseName(cluster=placement.cluster, database=placement.database)
    patient = Patient(clusters=[placement.cluster], databases=[name])
    places = {placement.cluster, str(name)}
    found = [each for each in await examine(platform.fleet, patient) if each.where in places]
    grave = [each for each in found if each.grave]
    says = f"{len(RULES)} rules, {len(grave)} grave findings, {len(found) - len(grave)} warnings"
    told = "; ".join(f"{each.rule}: {each.object}" for each in grave[:_FINDINGS_TOLD_MAX])
    return Check(
        name="rules of isolation", has_passed=not grave, says=f"{says}: {told}" if told else says
    )


async def _enters(platform: Platform, tenant: Tenant) -> Check:
    """Let the tenant itself in: a door that nobody passes keeps strangers out too."""
    name = "the tenant enters"
    try:
        lease = await platform.dispatch.open(tenant, Mode.READ)
        await lease.rollback()
    except PlatformError as error:
        return Check(name=name, has_passed=False, says=error.detail)
    return Check(name=name, has_passed=True, says="its own capability is let in")


async def _knock(
    platform: Platform, placement: Placement, tenant_id: uuid.UUID, *, name: str
) -> Check:
    """Show the gate a capability that we signed, of somebody who doesn't live there."""
    entry = Entry(
        tenant_id=tenant_id,
        placement=placement,
        key=platform.fleet.key(placement.cluster, placement.database),
        mode=Mode.READ,
    )
    try:
        lease = await platform.stores[placement.tier].lease(entry)
    except Moved:
        return Check(name=name, has_passed=True, says="the gate refuses it")
    except PlatformError as error:
        return Check(name=name, has_passed=False, says=f"nobody can tell: {error.detail}")
    await lease.rollback()
    return Check(name=name, has_passed=False, says="the gate let it in")


async def _foreign_login(platform: Platform, placement: Placement) -> Check:
    """Try the login that serves shared tenants on this tenant's own database."""
    name = "the login of others knocks"
    theirs = msgspec.structs.replace(placement, login=APP_LOGIN)
    try:
        connection = await connect(platform.fleet.login_address(theirs), purpose="acceptance")
    except DatabaseUnreachable as error:
        is_refusal = isinstance(error.__cause__, asyncpg.InsufficientPrivilegeError)
        says = "the database refuses it" if is_refusal else f"nobody can tell: {error.detail}"
        return Check(name=name, has_passed=is_refusal, says=says)
    await connection.close(timeout=5)
    return Check(name=name, has_passed=False, says="the database let it in")


async def _rehearsal(platform: Platform, tenant: Tenant, by: By, cluster: str | None) -> Check:
    """Archive the tenant, restore it beside itself, compare, and leave nothing."""
    name = "backup and restore"
    try:
        shown = await archiving.rehearse(platform, str(tenant.id), by, cluster=cluster)
    except PlatformError as error:
        return Check(name=name, has_passed=False, says=error.detail)
    differ = [each.table for each in shown.proof if each.source_digest != each.target_digest]
    says = (
        f"{shown.rows} rows of {len(shown.proof)} tables, archived in {shown.export_s:.1f} s and "
        f"restored in {shown.restore_s:.1f} s"
    )
    return Check(
        name=name,
        has_passed=not differ,
        says=f"{', '.join(differ)} came back otherwise" if differ else f"{says}, all equal",
    )


async def _stranger(platform: Platform, tenant: Tenant) -> uuid.UUID:
    """Return a tenant that lives somewhere else; where there is none, one that isn't at all."""
    async with platform.catalog.connection() as connection:
        some = await tenants.page_by_id(connection, after=None, items_max=2)
    return next((each.id for each in some if each.id != tenant.id), uuid.uuid4())


def _placement(tenant: Tenant) -> Placement:
    if tenant.placement is None:
        raise Conflict(f"tenant {tenant.slug} has no place yet")
    return tenant.placement
