"""The demo tenants: one in each tier, with a log-in and, where the product is the shop, rows.

And the demo's staff.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import func, insert, select

from deploy.onboarding import NewTenant, onboard
from deploy.operations import make_runner
from examples.store import product as store
from examples.store.generate import generate
from examples.store.models import TABLES, Artist
from router.catalog import accounts, audit, operations, staff, tenants
from router.catalog.audit import Deed
from router.catalog.credentials import StaffRole
from router.catalog.operations import OperationFilter, OperationState
from router.catalog.passwords import Passwords
from router.errors import ProvisionFailed
from router.product import continue_identity
from router.words import Mode, TenantStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from deploy.platform import Platform
    from deploy.stack.state import StateFolder
    from router.words import Tenant

ACTOR = "operator:up"
PASSWORD_LENGTH = 20


class DemoTenant(msgspec.Struct, frozen=True, kw_only=True):
    """One of the three; ``seed`` makes its rows differ from the others'."""

    slug: str
    name: str
    plan: str
    seed: int

    @property
    def email(self) -> str:
        """The owner's address: .example leads nowhere."""
        return f"owner@{self.slug}.example"


class StaffLogin(msgspec.Struct, frozen=True, kw_only=True):
    """What a person needs to enter the operators' console."""

    role: StaffRole
    email: str
    password: str


class DemoLogin(msgspec.Struct, frozen=True, kw_only=True):
    """What a person needs to enter a demo tenant."""

    slug: str
    plan: str
    email: str
    password: str


DEMO_STAFF = {
    "operator@stepwell.example": StaffRole.OPERATOR,
    "sales@stepwell.example": StaffRole.SALES,
}
DEMO_TENANTS = (
    DemoTenant(slug="corner-records", name="Corner Records", plan="starter", seed=1),
    DemoTenant(slug="city-records", name="City Records", plan="pro", seed=2),
    DemoTenant(slug="world-records", name="World Records", plan="enterprise", seed=3),
)


async def fill(
    platform: Platform, folder: StateFolder, *, say: Callable[[str], None]
) -> list[DemoLogin]:
    """Make the demo tenants, or what is missing of them, and tell how to enter."""
    passwords = Passwords()
    try:
        logins: list[DemoLogin] = []
        for demo in DEMO_TENANTS:
            password = folder.secret(f"demo {demo.slug}")[:PASSWORD_LENGTH]
            login = DemoLogin(slug=demo.slug, plan=demo.plan, email=demo.email, password=password)
            await _ensure_account(platform, passwords, login)
            if await _ensure_tenant(platform, demo):
                say(f"demo tenant {demo.slug} is ready ({demo.plan})")
            logins.append(login)
        return logins
    finally:
        passwords.close()


async def fill_staff(platform: Platform, folder: StateFolder) -> list[StaffLogin]:
    """Make the demo's staff, or who is missing of them, and tell how to enter."""
    passwords = Passwords()
    try:
        logins = [
            StaffLogin(
                role=role, email=email, password=folder.secret(f"demo {email}")[:PASSWORD_LENGTH]
            )
            for email, role in DEMO_STAFF.items()
        ]
        for login in logins:
            await _ensure_staff(platform, passwords, login)
        return logins
    finally:
        passwords.close()


async def _ensure_staff(platform: Platform, passwords: Passwords, login: StaffLogin) -> None:
    async with platform.catalog.connection() as connection:
        # Whoever was taken out of the staff since stays out.
        if await accounts.find_by_email(connection, login.email) is not None:
            return
    password_hash = await passwords.hash(login.password)
    async with platform.catalog.transaction() as connection:
        await staff.create(connection, login.email, login.role, password_hash=password_hash)
        detail: dict[str, object] = {"role": login.role}
        deed = Deed(actor=ACTOR, action="staff.add", target=login.email, detail=detail)
        await audit.write(connection, deed)


async def _ensure_account(platform: Platform, passwords: Passwords, login: DemoLogin) -> None:
    async with platform.catalog.connection() as connection:
        if await accounts.find_by_email(connection, login.email) is not None:
            return
    password_hash = await passwords.hash(login.password)
    async with platform.catalog.transaction() as connection:
        made = await accounts.create(connection, email=login.email, password_hash=password_hash)
        # Nobody reads the demo's letters, and who hasn't proved an address owns no tenant by it.
        await accounts.confirm(connection, made.id)


async def _ensure_tenant(platform: Platform, demo: DemoTenant) -> bool:
    """Return whether anything had to be made."""
    async with platform.catalog.connection() as connection:
        tenant = await tenants.find_by_slug(connection, demo.slug)
    is_new = tenant is None
    if tenant is None:
        wanted = NewTenant(name=demo.name, slug=demo.slug, plan=demo.plan, owner_email=demo.email)
        tenant = (await onboard(platform, wanted, actor=ACTOR)).tenant
    if tenant.status is TenantStatus.PROVISIONING:
        tenant = await _provision(platform, tenant)
    if tenant.status is TenantStatus.ACTIVE and platform.loaded.product is store.product:
        await _fill_rows(platform, tenant, seed=demo.seed)
    return is_new


async def _provision(platform: Platform, tenant: Tenant) -> Tenant:
    runner = make_runner(platform)
    try:
        async with platform.catalog.connection() as connection:
            chosen = OperationFilter(tenant_id=tenant.id)
            recorded = (await operations.list_page(connection, chosen)).items[0]
            if recorded.state is OperationState.FAILED:
                recorded = await operations.retry(connection, recorded.id)
        ended = await runner.run_one(recorded.id)
    finally:
        await runner.close()
    if ended.state is not OperationState.DONE:
        raise ProvisionFailed(f"demo tenant {tenant.slug} couldn't be provisioned: {ended.error}")
    async with platform.catalog.connection() as connection:
        return await tenants.get_by_id(connection, tenant.id)


async def _fill_rows(platform: Platform, tenant: Tenant, *, seed: int) -> None:
    """Fill an empty shop in one transaction, as a request of its owner would."""
    lease = await platform.dispatch.open(tenant, Mode.WRITE)
    try:
        session = await lease.session()
        if not await session.scalar(select(func.count()).select_from(Artist)):
            rows = generate(seed=seed)
            for name, table in TABLES.items():
                await session.execute(insert(table), rows[name])
                await continue_identity(session, table)
        await lease.commit()
    except BaseException:
        await lease.rollback()
        raise
