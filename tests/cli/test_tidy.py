"""Answers that were kept for a repeated request are forgotten after a day."""

from __future__ import annotations

import pytest

from deploy.cli.reach import settings_for
from deploy.platform import Platform, running
from deploy.tidy import tidy_tenants
from router.words import Mode
from tests.cli.worlds import Stack

KEEP = (
    "INSERT INTO stepwell_answer (key, fingerprint, created_at)"
    " SELECT age, '', now() - age::interval FROM unnest($1::text[]) AS age"
)
READ = "SELECT key FROM stepwell_answer WHERE key = ANY($1::text[]) ORDER BY key"
AGES = ["23 hours", "25 hours", "30 days"]


@pytest.mark.parametrize("slug", ["corner-records", "city-records", "world-records"])
async def test_an_old_answer_is_forgotten_in_every_tier(stack: Stack, slug: str) -> None:
    async with running(Platform(settings_for(stack.state, environ={}))) as platform:
        tenant = await platform.directory.resolve_slug(slug)
        assert tenant is not None
        lease = await platform.dispatch.open(tenant, Mode.WRITE)
        await lease.execute(KEEP, AGES)
        await lease.commit()
        await tidy_tenants(platform)
        lease = await platform.dispatch.open(tenant, Mode.READ)
        assert [row["key"] for row in await lease.fetch(READ, AGES)] == ["23 hours"]
        await lease.rollback()
