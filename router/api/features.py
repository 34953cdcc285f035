"""Features: what a plan includes beside its numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from router.catalog import plans
from router.errors import NotAllowed

if TYPE_CHECKING:
    from router.connect import Connection
    from router.words import Tenant

CUSTOM_ROLES: Final = "custom_roles"
CUSTOM_DOMAINS: Final = "custom_domains"


async def require_feature(connection: Connection, tenant: Tenant, feature: str) -> None:
    """Raise NotAllowed, with the plans that have it, when the tenant's doesn't include a feature.

    What was made under another plan stays and works; only new uses are refused.
    """
    if feature in tenant.limits.features:
        return
    known = await plans.list_all(connection)
    having = " or ".join(plan.name for plan in known if feature in plan.limits.features)
    name = feature.replace("_", " ")
    raise NotAllowed(
        f"the plan {tenant.plan} doesn't include {name}: "
        + (f"change to {having}" if having else "ask the operators for it")
    )
