"""Seals the audit, so that what was written can't be written anew unseen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from router.catalog import audit_chain
from router.catalog.audit_chain import Break

if TYPE_CHECKING:
    from deploy.platform import Platform

#: How long the newest entries are chained and not sealed.
SEAL_S = 10.0
_log = structlog.get_logger("stepwell.sealing")


async def keep_sealed(platform: Platform) -> None:
    """Seal until cancelled. Each new finding is told once; nothing is sealed behind it."""
    told: Break | None = None
    while True:
        made = await audit_chain.seal(platform.catalog, platform.audit_keys)
        found = made if isinstance(made, Break) else None
        if found is not None and found != told:
            _log.error("audit isn't whole", found=found.detail)
        told = found
        await asyncio.sleep(SEAL_S)
