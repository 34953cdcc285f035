"""The transcript of staff's access: nothing runs that isn't written down first.

A request is written before it is looked at, a statement before it is run, the answer's status
before the answer leaves, each in a transaction of the catalog. Where that fails, so does the
request; an access that was ended meanwhile is as good as one that can't be written down.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote

from router.catalog import access
from router.catalog.access_words import Begun, By
from router.errors import NotAuthenticated, PlatformError
from router.gateway.problems import problem_of

if TYPE_CHECKING:
    from uuid import UUID

    from litestar.types import HTTPScope, Message, Send

    from router.catalog import Catalog
    from router.catalog.credentials import Credential

_ENDED: Final = "this access has ended: ask for another one"


class Transcript:
    """One request of the staff, as far as it has come."""

    def __init__(self, catalog: Catalog, access_id: UUID, position: int) -> None:
        self._catalog = catalog
        self._access_id = access_id
        self._position = position
        self._statements = 0
        self._is_finished = False

    async def tell(self, statement: str) -> None:
        """Write down a statement that is about to run."""
        self._statements += 1
        async with self._catalog.connection() as connection:
            told = await access.tell_statement(
                connection,
                self._access_id,
                self._position,
                number=self._statements,
                text=statement,
            )
        if not told:
            raise NotAuthenticated(_ENDED)

    async def finish(self, status: int) -> None:
        """Write down how the request was answered; the first answer counts."""
        if self._is_finished:
            return
        self._is_finished = True
        async with self._catalog.connection() as connection:
            told = await access.finish_line(
                connection, self._access_id, self._position, status=status
            )
        if not told:
            raise NotAuthenticated(_ENDED)

    async def fail(self, error: Exception) -> None:
        """Write down what a request that ends without an answer of its own is told."""
        with contextlib.suppress(PlatformError):
            await self.finish(problem_of(error).status)

    def in_front_of(self, send: Send) -> Send:
        """Hold an answer back until its status is written down."""

        async def finish_and_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                await self.finish(message["status"])
            await send(message)

        return finish_and_send


async def begin(catalog: Catalog, credential: Credential, scope: HTTPScope) -> Transcript:
    """Write down a request of the staff before anything is made of it."""
    assert credential.access_id is not None, "only staff's access has a transcript"
    assert credential.access_by is not None, "each access is somebody's"
    request_id: str = scope["state"]["request_id"]
    begun = Begun(request_id=request_id, method=scope["method"], path=_shown_path(scope))
    by = By(actor=credential.actor, name=credential.access_by, request_id=request_id)
    async with catalog.transaction() as connection:
        position = await access.begin_line(connection, credential.access_id, begun, by)
    if position is None:
        raise NotAuthenticated(_ENDED)
    return Transcript(catalog, credential.access_id, position)


def _shown_path(scope: HTTPScope) -> str:
    """Return the path, and of the query the names alone: its values may be the tenant's own."""
    path = quote(scope["path"])
    query = scope["query_string"].decode("latin-1")
    names = sorted({name for name, _ in parse_qsl(query, keep_blank_values=True)})
    return f"{path}?{'&'.join(map(quote, names))}" if names else path
