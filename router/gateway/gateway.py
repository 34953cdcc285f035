"""The outermost stop of a request: its id, its tenant's name in host and path, its deadline.

A plain ASGI application around Litestar's, because the path must lose its ``/t/{slug}`` before
any route is looked up.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from typing import TYPE_CHECKING

import msgspec
import structlog
from litestar.enums import ScopeType

from router.errors import BadRequest, DeadlineExceeded, PlatformError
from router.gateway.identity import Named, Site, read_header, read_host, read_path
from router.gateway.problems import PROBLEM_TYPE, problem_headers, problem_of, with_request_id

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

    def __init__(self, app: ASGIApp, site: Site, *, deadline_s: float) -> None:
        self._app = app
        self._site = site
        self._deadline_s = deadline_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # The same answer as to GET; the server, which keeps the method, leaves the body out.
            scope = {**scope, "method": "GET"}
        request_id = _request_id(scope)
        answer = _Answer(send, request_id)
        try:
            self._name(scope, request_id)
            watch = _Watch(receive, deadline_s=self._deadline_s)
            with watch:
                await self._app(scope, watch.receive, answer)
        except PlatformError as error:
            await answer.refuse(error)
        except _CallerLeftError:
            _log.info("the caller left", request_id=request_id)
        except Exception as error:  # noqa: BLE001 - nothing may reach the server as a traceback
            _log.exception("request failed outside of every handler", request_id=request_id)
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

    def __init__(self, receive: Receive, *, deadline_s: float) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._deadline_s = deadline_s
        self._body_is_read = False
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
        message = await self._receive()
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
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._end(_CallerLeftError())

    def _end(self, why: Exception) -> None:
        if self._why is None and self._task is not None:
            self._why = why
            self._task.cancel()


class _Answer:
    """Sends, with the request's id in a header; knows whether an answer has begun."""

    __slots__ = ("_request_id", "_send", "has_begun")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.has_begun = True
            message["headers"] = [*message["headers"], (b"x-request-id", self._request_id.encode())]
        await self._send(message)

    async def refuse(self, error: Exception) -> None:
        """Answer with a problem, unless an answer has begun already."""
        if self.has_begun:
            return
        problem = problem_of(error)
        body = msgspec.json.encode(with_request_id(problem, self._request_id))
        headers = [(b"content-type", PROBLEM_TYPE.encode()), (b"content-length", b"%d" % len(body))]
        headers += [
            (name.lower().encode(), value.encode())
            for name, value in problem_headers(problem).items()
        ]
        await self({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self({"type": "http.response.body", "body": body, "more_body": False})


def _request_id(scope: HTTPScope) -> str:
    given = [value for name, value in scope["headers"] if name == b"x-request-id"]
    if len(given) == 1 and _REQUEST_ID.fullmatch(given[0]):
        return given[0].decode("ascii")
    return secrets.token_hex(8)


def _header(scope: HTTPScope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
