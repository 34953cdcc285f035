"""Looks at the records of claimed domains: those that are awaited, and those that are served."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from router.catalog import claims
from router.errors import NotFound
from router.records import RecordsSilent

if TYPE_CHECKING:
    from deploy.platform import Platform
    from router.catalog.claims import Claim

ROUND_S: Final = 30.0
#: Claims that are taken before the next round asks which are due.
CLAIMS_AT_ONCE: Final = 50
#: Of these, questions that wait for an answer: who has a dead name server holds up nobody for long.
LOOKS_AT_ONCE: Final = 10
ACTOR: Final = "worker"
_log = structlog.get_logger("stepwell.domains")


class DomainKeeper:
    """Does what workers do for domains."""

    def __init__(self, platform: Platform) -> None:
        self._catalog = platform.catalog
        self._records = platform.records
        self._grace = timedelta(seconds=platform.settings.domain_grace_s)
        self._turns = asyncio.Semaphore(LOOKS_AT_ONCE)

    async def keep(self) -> None:
        """Go round until cancelled."""
        while True:
            while await self.look() == CLAIMS_AT_ONCE:
                pass
            await asyncio.sleep(ROUND_S)

    async def look(self) -> int:
        """Look at the claims whose time has come; returns how many these were."""
        async with self._catalog.transaction() as connection:
            due = await claims.due(connection, items_max=CLAIMS_AT_ONCE)
        looks = await asyncio.gather(*map(self._in_turn, due), return_exceptions=True)
        for error in looks:
            if error is not None:
                raise error
        return len(due)

    async def _in_turn(self, claim: Claim) -> None:
        # It may be taken away meanwhile.
        async with self._turns:
            with contextlib.suppress(NotFound):
                await self._look_at(claim)

    async def _look_at(self, claim: Claim) -> None:
        try:
            texts = await self._records.texts(claim.record_name)
        except RecordsSilent as error:
            _log.info("records silent", domain=claim.name, reason=str(error))
            async with self._catalog.connection() as connection:
                await claims.heed_silence(connection, claim)
            return
        async with self._catalog.transaction() as connection:
            heeded = await claims.heed(connection, claim, texts, actor=ACTOR, grace=self._grace)
        if heeded.state is not claim.state:
            _log.info("domain", name=claim.name, state=heeded.state.value)
