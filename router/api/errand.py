"""An errand: one request to the platform itself, and the catalog transaction that it may open.

What the request changes, its line in the audit and the answer that is kept for an Idempotency-Key
commit together, before the answer leaves (router/gateway/edge.py).
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING
from uuid import UUID

from litestar.types import Scope

from router.api.parts import Parts
from router.catalog import answers, audit, letters
from router.catalog.answers import Answer, Asked
from router.catalog.audit import Deed
from router.catalog.credentials import Credential, Staff
from router.catalog.letters import Letter
from router.catalog.roles import Permission, Role
from router.catalog.sessions import Opening
from router.errors import NotAllowed, PlatformError
from router.gateway.source import UNKNOWN
from router.words import Tenant, TenantId

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

    from litestar.types import HTTPResponseStartEvent

    from router.connect import Connection

_FAILED = 400


class Errand:
    """One request. Made by the door, after the caller was checked and before anything is read."""

    def __init__(self, parts: Parts, *, request_id: str, actor: str) -> None:
        self.parts = parts
        self.request_id = request_id
        self.actor = actor
        #: Its tables are the catalog's, which no wave changes.
        self.is_outdated = False
        self.reason: str | None = None
        #: Who of the staff calls; None for all others, whoever holds the operators' token too.
        self.staff: Staff | None = None
        #: The caller's address and program, as far as they are known.
        self.source = UNKNOWN
        self.agent = ""
        #: Set when the answer is to be kept for whoever repeats the request.
        self.asked: Asked | None = None
        self._behind: list[Callable[[], Awaitable[object]]] = []
        self._opened: AbstractAsyncContextManager[Connection] | None = None
        self._connection: Connection | None = None

    @property
    def opening(self) -> Opening:
        """What is kept of the caller beside a session that it opens."""
        return Opening(agent=self.agent, source=self.source)

    async def write(self, letter: Letter) -> None:
        """Have a letter sent, in the errand's transaction."""
        await letters.put(await self.connection(), self.parts.sealer, letter)

    async def connection(self) -> Connection:
        """Return the errand's transaction on the catalog, begun when it is first asked for.

        Ask for it last: it must not be open while something else is waited for.
        """
        if self._connection is None:
            opened = self.parts.catalog.transaction()
            self._connection = await opened.__aenter__()
            self._opened = opened
        return self._connection

    async def note(
        self,
        action: str,
        target: object,
        *,
        tenant_id: TenantId | None,
        detail: dict[str, object] | None = None,
    ) -> None:
        """Add to the audit, in the errand's transaction."""
        deed = Deed(
            actor=self.actor,
            action=action,
            target=str(target),
            tenant_id=tenant_id,
            reason=self.reason,
            detail=detail or {},
            request_id=self.request_id,
        )
        await audit.write(await self.connection(), deed)

    def behind(self, work: Callable[[], Awaitable[object]]) -> None:
        """Have something done once all is kept, before the answer leaves; it may fail unnoticed."""
        self._behind.append(work)

    async def commit(self) -> None:
        """Keep what was done so far; the next ``connection`` begins anew."""
        await self._end(None)

    async def answered(self, start: HTTPResponseStartEvent, body: bytes) -> None:
        """Keep the answer beside what it did, if the caller asked for that."""
        if self.asked is not None and start["status"] < _FAILED:
            answer = Answer(status=start["status"], body=body)
            await answers.keep(await self.connection(), self.asked, answer, self.parts.sealer)

    async def finish(self, *, succeeded: bool) -> None:
        """Commit or take back what is open; the second call finds nothing to do."""
        if succeeded:
            await self._end(None)
            self.asked = None
            for work in self._behind:
                with contextlib.suppress(PlatformError):
                    await work()
        else:
            await self._end(_TakenBack())

    async def give_up(self, error: BaseException) -> None:
        """End the errand whose handler was broken off; raises what the catalog makes of it."""
        await self._end(error)

    async def _end(self, error: BaseException | None) -> None:
        opened, self._opened, self._connection = self._opened, None, None
        if opened is not None:
            kind = None if error is None else type(error)
            await opened.__aexit__(kind, error, None if error is None else error.__traceback__)


class AccountErrand(Errand):
    """An errand of somebody who logged in, in no tenant in particular."""

    def __init__(
        self, parts: Parts, *, request_id: str, credential: Credential, token: str
    ) -> None:
        super().__init__(parts, request_id=request_id, actor=credential.actor)
        assert credential.account_id is not None, "the door lets no API key in here"
        self.account_id: UUID = credential.account_id
        self.credential = credential
        self.token = token


class MemberErrand(Errand):
    """An errand of a member, person or program, in one tenant."""

    def __init__(
        self, parts: Parts, *, request_id: str, credential: Credential, tenant: Tenant
    ) -> None:
        super().__init__(parts, request_id=request_id, actor=credential.actor)
        role = credential.role_in(tenant.id)
        assert role is not None, "find_tenant() returns no tenant that the caller isn't in"
        self.account_id: UUID | None = credential.account_id
        self.credential = credential
        self.tenant = tenant
        self.role: Role = role

    def demand(self, needed: Permission) -> None:
        """Raise NotAllowed when the caller's role lacks a permission."""
        if not self.role.allows(needed):
            raise NotAllowed(f"the role {self.role.name} may not do that: it lacks {needed}")

    async def record(
        self, action: str, target: object, detail: dict[str, object] | None = None
    ) -> None:
        """Add to the tenant's own audit."""
        await self.note(action, target, tenant_id=self.tenant.id, detail=detail)


class _TakenBack(Exception):
    """Ends a transaction whose request was refused."""


async def errand_of(scope: Scope) -> Errand:
    """Litestar's dependency ``errand``."""
    errand: Errand = scope["state"]["errand"]
    return errand
