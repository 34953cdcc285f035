"""The edge: an answer leaves only after its transaction is durable, or is not an answer at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from router.gateway.problems import send_problem

if TYPE_CHECKING:
    from litestar.types import HTTPResponseStartEvent, Message, Send

_FAILED = 400


class Undertaking(Protocol):
    """A request that something hangs on: a visit to a tenant, an errand at the catalog."""

    request_id: str
    #: Whether a migration changed the tables in its midst: the answer says only that.
    is_outdated: bool

    async def answered(self, start: HTTPResponseStartEvent, body: bytes) -> None:
        """Take notice of the answer before anything is kept."""
        ...

    async def finish(self, *, succeeded: bool) -> None:
        """Keep what was done, or take it back."""
        ...


class Edge:
    """Stands between the handler's answer and the wire.

    The first bytes wait until the body shows whether it is whole. A whole body is sent after the
    commit; a streamed one is sent as it comes and committed behind its last byte.

    Where the caller ``may_repeat`` what it asked, an answer that only says so is withheld.
    """

    __slots__ = ("_held", "_may_repeat", "_send", "_succeeded", "_undertaking", "is_withheld")

    def __init__(self, send: Send, undertaking: Undertaking, *, may_repeat: bool = False) -> None:
        self._send = send
        self._undertaking = undertaking
        self._may_repeat = may_repeat
        self._held: HTTPResponseStartEvent | None = None
        self._succeeded = False
        self.is_withheld = False

    async def __call__(self, message: Message) -> None:
        """Forward one ASGI message, at its time."""
        if message["type"] == "http.response.start":
            self._begin(message)
            return
        if self.is_withheld:
            return
        if message["type"] != "http.response.body":
            await self._send(message)
            return
        is_last = not message.get("more_body", False)
        if self._held is None:
            if is_last:
                await self._undertaking.finish(succeeded=self._succeeded)
            await self._send(message)
            return
        start, self._held = self._held, None
        if is_last:
            try:
                await self._undertaking.answered(start, message["body"])
                await self._undertaking.finish(succeeded=self._succeeded)
            except Exception as error:  # noqa: BLE001 - whatever kept the commit from happening
                await self._refuse(error)
                return
        await self._send(start)
        await self._send(message)

    def _begin(self, start: HTTPResponseStartEvent) -> None:
        self._held = start
        self._succeeded = start["status"] < _FAILED
        if not self._succeeded and self._may_repeat:
            self.is_withheld = self._undertaking.is_outdated

    async def _refuse(self, error: Exception) -> None:
        """Tell the caller that nothing was kept, in place of the answer that said otherwise."""
        await send_problem(self._send, error, self._undertaking.request_id)
