"""Deletes what nobody will ask for any more, a little at a time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import asyncpg
import structlog

from billing import inbox
from router.catalog import (
    answers,
    attempts,
    letters,
    loads,
    passkeys,
    proofs,
    sessions,
    sign_on,
    tenants,
)
from router.catalog.answers import ANSWER_LIFE
from router.errors import PlatformError
from router.words import Mode, TenantStatus

if TYPE_CHECKING:
    from deploy.platform import Platform
    from router.words import Tenant

ROUND_S = 3_600.0
#: A round over ten thousand tenants takes minutes, and no request waits for it.
PAUSE_S = 0.02
_PAGE_ITEMS = 200
_FORGET = "DELETE FROM stepwell_answer WHERE created_at < $1"
_log = structlog.get_logger("stepwell.tidy")


async def tidy(platform: Platform) -> None:
    """Go round until cancelled."""
    while True:
        async with platform.catalog.connection() as connection:
            await answers.forget_old(connection)
            await sessions.forget_old(connection)
            await inbox.forget_old(connection)
            for each in (attempts, letters, loads, passkeys, proofs, sign_on):
                await each.forget_old(connection)
        await tidy_tenants(platform)
        await asyncio.sleep(ROUND_S)


async def tidy_tenants(platform: Platform) -> None:
    """Forget the old answers of every tenant that is served."""
    page: list[Tenant] = []
    while True:
        async with platform.catalog.connection() as connection:
            page = await tenants.page_by_id(
                connection, after=page[-1].id if page else None, items_max=_PAGE_ITEMS
            )
        for tenant in page:
            if tenant.status is TenantStatus.ACTIVE:
                await _forget_answers(platform, tenant)
                await asyncio.sleep(PAUSE_S)
        if len(page) < _PAGE_ITEMS:
            return


async def _forget_answers(platform: Platform, tenant: Tenant) -> None:
    """Enter like a request, so that a tenant which moves meanwhile is followed or left alone."""
    try:
        lease = await platform.dispatch.open(tenant, Mode.WRITE)
        try:
            await lease.execute(_FORGET, datetime.now(UTC) - ANSWER_LIFE)
            await lease.commit()
        except BaseException:
            await lease.rollback()
            raise
    except (PlatformError, asyncpg.PostgresError, OSError) as error:
        _log.info("answers kept", tenant=str(tenant.id), reason=str(error))
