"""A visit: one request of one member to one tenant, and the lease that it may open."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from litestar.types import Scope
from sqlalchemy.ext.asyncio import AsyncSession

from router.errors import TablesChanged
from router.lease import Lease

if TYPE_CHECKING:
    from litestar.types import HTTPResponseStartEvent

    from router.dispatch import Dispatch
    from router.gateway.replay import Claim
    from router.gateway.transcript import Transcript
    from router.words import Mode, Tenant


class Visit:
    """Who visits whom. Made by the entrance, after membership was checked and before any lease."""

    __slots__ = (
        "_dispatch",
        "_lease",
        "_since_ns",
        "busy_ns",
        "claim",
        "is_outdated",
        "mode",
        "request_id",
        "role",
        "tenant",
        "transcript",
        "waiting_ns",
        "who",
    )

    def __init__(  # noqa: PLR0913 - a value with an identity: each part is one fact of the request
        self,
        dispatch: Dispatch,
        *,
        tenant: Tenant,
        who: str,
        role: str,
        mode: Mode,
        request_id: str,
    ) -> None:
        self._dispatch = dispatch
        self._lease: Lease | None = None
        self.tenant = tenant
        self.who = who
        self.role = role
        self.mode = mode
        self.request_id = request_id
        self.claim: Claim | None = None
        #: Where the staff's requests are written down, statement by statement.
        self.transcript: Transcript | None = None
        #: Whether a migration changed the tables in its midst.
        self.is_outdated = False
        #: How long it had a connection of its own, and how long it stood in line for one.
        self.busy_ns = 0
        self.waiting_ns = 0
        self._since_ns = 0

    async def lease(self) -> Lease:
        """Return the visit's lease, opened when it is first asked for."""
        if self._lease is None:
            asked_ns = time.perf_counter_ns()
            try:
                self._lease = await self._dispatch.open(self.tenant, self.mode)
            finally:
                # Whoever waited in vain has waited too.
                self._since_ns = time.perf_counter_ns()
                self.waiting_ns += self._since_ns - asked_ns
            if self.transcript is not None:
                self._lease.overhear(self.transcript.tell)
        return self._lease

    def explained(self, error: Exception) -> Exception:
        """Return what a failure means to the caller, where that has to do with the place."""
        if self._lease is None:
            return error
        explained = self._dispatch.explain(error, self._lease)
        self.is_outdated = isinstance(explained, TablesChanged)
        return explained

    async def answered(self, start: HTTPResponseStartEvent, body: bytes) -> None:
        """Keep the answer beside what it did, if the caller asked for that (Idempotency-Key)."""
        if self.claim is not None:
            await self.claim.keep(await self.lease(), start, body)

    async def finish(self, *, succeeded: bool) -> None:
        """Commit or take back what the visit did; the second call finds nothing to do."""
        lease, self._lease = self._lease, None
        self.is_outdated = False
        if lease is None:
            return
        try:
            if succeeded:
                await self._settle(lease)
                await lease.commit()
            else:
                await lease.rollback()
        finally:
            self.busy_ns += time.perf_counter_ns() - self._since_ns

    async def _settle(self, lease: Lease) -> None:
        if self.claim is None:
            return
        try:
            await self.claim.settle(lease)
        except BaseException:
            await lease.rollback()
            raise


async def lease_of(scope: Scope) -> Lease:
    """Litestar's dependency ``lease``: the visit's transaction, fast lane."""
    visit: Visit = scope["state"]["visit"]
    return await visit.lease()


async def session_of(scope: Scope) -> AsyncSession:
    """Litestar's dependency ``session``: the visit's transaction as an AsyncSession."""
    visit: Visit = scope["state"]["visit"]
    return await (await visit.lease()).session()
