"""Placements: where each tenant's rows are now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg

from router.errors import Conflict
from router.sql import load

if TYPE_CHECKING:
    from router.connect import Connection
    from router.words import Placement, TenantId

_SQL = load("router.catalog", "placements.sql")


async def record(connection: Connection, tenant_id: TenantId, placement: Placement) -> None:
    """Record the tenant's place; to record the same one again changes nothing.

    Raises Conflict when the epoch isn't the next one: somebody else moved the tenant.
    """
    try:
        await connection.execute(
            _SQL["record"],
            tenant_id,
            placement.tier,
            placement.cluster,
            placement.database,
            placement.schema,
            placement.login,
            placement.epoch,
        )
    except asyncpg.CheckViolationError as error:
        if error.constraint_name == "placement_epoch_grows":
            raise Conflict(str(error)) from error
        raise
