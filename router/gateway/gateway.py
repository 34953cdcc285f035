"""The outermost stop of a request: its id, its tenant's name in host and path, its deadline.

A plain ASGI application around Litestar's, because the path must lose its ``/t/{slug}`` before
any route is looked up.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import deque
from typing import TYPE_CHECKING

import structlog
from litestar.enums import ScopeType

from router.errors import BadRequest, DeadlineExceeded
from router.gateway.identity import Named, Site, read_header, read_host, read_path
from router.gateway.problems import log_failure, problem_of, send_problem
from router.gateway.source import client_of

if TYPE_CHECKING:
    from litestar.types import (
        ASGIApp,
        HTTPScope,
        Message,
        Receive,
        ReceiveMessage,
        Scope,
        Send,
    )

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
#: A request that is done by then is never watched for a caller that went away.
WATCH_AFTER_S = 0.2
_log = structlog.get_logger("stepwell.gateway")


class Gateway:
    """Wraps the application; every HTTP request passes here first and last."""

    def __init__(self, app: ASGIApp, site: Site, *, deadline_s: float, proxies: int = 0) -> None:
        self._app = app
        self._site = site
        self._deadline_s = deadline_s
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # The same answer as to GET; the server, which keeps the method, leaves the body out.
            scope = {**scope, "method": "GET"}
        scope["client"] = client_of(scope, proxies=self._proxies)
        request_id = _request_id(scope)
        answer = _Answer(send, request_id)
        try:
            self._name(scope, request_id)
            watch = _Watch(receive, answer, deadline_s=self._deadline_s, has_body=_has_body(scope))
            with watch:
                await self._app(scope, watch.receive, answer)
        except _CallerLeftError:
            _log.info("the caller left", request_id=request_id)
        except Exception as error:  # noqa: BLE001 - nothing may reach the server as a traceback
            await answer.refuse(error)

    def _name(self, scope: HTTPScope, request_id: str) -> None:
        hosts = _header(scope, b"host")
        if len(hosts) != 1:
            raise BadRequest("a request needs exactly one Host header")
        from_host, domain = read_host(hosts[0], self._site)
        from_path, path = read_path(scope["path"])
        if from_path is not None:
            scope["path"] = path
            scope["raw_path"] = path.encode()
        if "state" not in scope:
            scope["state"] = {}
        state = scope["state"]
        state["request_id"] = request_id
        state["named"] = Named(
            from_host=from_host,
            from_path=from_path.lower() if from_path is not None else None,
            from_header=read_header(_header(scope, b"x-tenant")),
            domain=domain,
        )
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(
            request_id=request_id, method=scope["method"], path=path
        )


class _CallerLeftError(Exception):
    pass


class _Watch:
    """Ends a request at its deadline, and one whose caller went away while it worked."""

    def __init__(
        self, receive: Receive, answer: _Answer, *, deadline_s: float, has_body: bool
    ) -> None:
        self._receive = receive
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._deadline_s = deadline_s
        # Nobody reads a body that isn't there.
        self._body_is_read = not has_body
        self._kept: deque[ReceiveMessage] = deque()
        self._why: Exception | None = None
        self._listener: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def __enter__(self) -> None:
        # Nearly every request is done by then and pays for this one timer.
        after_s = min(WATCH_AFTER_S, self._deadline_s)
        self._timer = self._loop.call_later(after_s, self._begin, self._deadline_s - after_s)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: object
    ) -> None:
        self._timer.cancel()
        if self._deadline is not None:
            self._deadline.cancel()
        if self._listener is not None:
            self._listener.cancel()
        if self._why is not None and isinstance(error, asyncio.CancelledError):
            assert self._task is not None
            self._task.uncancel()
            raise self._why

    async def receive(self) -> ReceiveMessage:
        """Pass the request's messages on to the application."""
        message = self._kept.popleft() if self._kept else await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._body_is_read = True
        return message

    def _begin(self, left_s: float) -> None:
        self._deadline = self._loop.call_later(left_s, self._late)
        self._listen()

    def _late(self) -> None:
        self._end(DeadlineExceeded(f"the request took longer than {self._deadline_s:g} s"))

    def _listen(self) -> None:
        # Before the handler has read the body, a listener would steal it.
        if self._body_is_read:
            self._listener = self._loop.create_task(self._wait_for_disconnect())
        else:
            self._timer = self._loop.call_later(WATCH_AFTER_S, self._listen)

    async def _wait_for_disconnect(self) -> None:
        while (message := await self._receive())["type"] != "http.disconnect":
            self._kept.append(message)
        # The server says the same when the answer is complete: what a handler left to do after it
        # goes on.
        if not self._answer.is_complete:
            self._end(_CallerLeftError())

    def _end(self, why: Exception) -> None:
        if self._why is None and self._task is not None:
            self._why = why
            self._task.cancel()


class _Answer:
    """Sends, with the request's id in a header; knows how far an answer has come."""

    __slots__ = ("_request_id", "_send", "has_begun", "is_complete")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.has_begun = False
        self.is_complete = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            message["headers"] = [*message["headers"], (b"x-request-id", self._request_id.encode())]
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            self.is_complete = True
        await self._send(message)

    async def refuse(self, error: Exception) -> None:
        """Answer with a problem; where an answer has begun already, only write it down."""
        if self.has_begun:
            log_failure(problem_of(error), error)
        else:
            await send_problem(self, error, self._request_id)


def _request_id(scope: HTTPScope) -> str:
    given = [value for name, value in scope["headers"] if name == b"x-request-id"]
    if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
        return given[0].decode("ascii")
    return secrets.token_hex(8)


def _has_body(scope: HTTPScope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


def _header(scope: HTTPScope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
