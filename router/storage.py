"""How many bytes a tenant has, asked where its rows are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.words import Mode, Tier

if TYPE_CHECKING:
    from router.dispatch import Dispatch
    from router.words import Tenant

_RELATIONS = """
    SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint
    FROM pg_catalog.pg_class AS c
    WHERE c.relkind IN ('r', 'm', 'p') AND c.relnamespace = to_regnamespace($1)
"""


def has_own_tables(tenant: Tenant) -> bool:
    """Tell whether the tenant's tables are its own, so that their size is the tenant's."""
    return tenant.tier is not None and tenant.tier is not Tier.ROWS


async def own_bytes(dispatch: Dispatch, tenant: Tenant) -> int | None:
    """Return the bytes of a tenant's own tables, with their indexes; None where it has none.

    Raises Unavailable when the tenant can't be entered now.
    """
    if not has_own_tables(tenant):
        return None
    lease = await dispatch.open(tenant, Mode.READ)
    try:
        if lease.placement.tier is Tier.ROWS:
            return None  # it moved meanwhile, and these tables are everybody's
        record = await lease.fetchrow(_RELATIONS, lease.placement.schema)
    finally:
        await lease.rollback()
    assert record is not None, "an aggregate returns a row"
    return int(record[0])
