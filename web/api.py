"""The API as a page calls it: with the visitor's session, typed answers, refusals as exceptions."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from http import HTTPStatus
from typing import TypeVar

import httpx
import msgspec

from router.gateway.problems import Problem
from web.inside import CLIENT

_T = TypeVar("_T")


class Refused(Exception):
    """The API refused; the problem says why, and which fields are wrong."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem

    def is_(self, status: HTTPStatus) -> bool:
        """Tell whether it was this status."""
        return self.problem.status == status


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What goes with a change: why (operators), and the key under which it is done once."""

    reason: str | None = None
    key: str | None = None


NO_CHANGE = Change()


class Api:
    """One visitor's way to the API. ``tenant`` is a slug; the API sees that the session agrees."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        token: str | None,
        address: tuple[str, int] | None,
        agent: str = "",
        tenant: str | None = None,
    ) -> None:
        self._client = client
        self._token = token
        self._address = address
        self._agent = agent
        self._tenant = tenant

    def within(self, tenant: str) -> Api:
        """Return the same visitor's way into one tenant."""
        return Api(
            self._client,
            token=self._token,
            address=self._address,
            agent=self._agent,
            tenant=tenant,
        )

    def with_token(self, token: str) -> Api:
        """Return the same visitor's way with another credential."""
        return Api(self._client, token=token, address=self._address, tenant=self._tenant)

    async def get(
        self, path: str, wanted: type[_T], params: Mapping[str, str | int | None] | None = None
    ) -> _T:
        """Ask for a document; raises Refused."""
        given = {name: value for name, value in (params or {}).items() if value is not None}
        answer = await self._client.send(self._request("GET", path, params=given))
        return _decoded(answer, wanted)

    async def change(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        wanted: type[_T],
        change: Change = NO_CHANGE,
    ) -> _T:
        """Send a change, and return the document that answers; raises Refused."""
        return _decoded(await self._send(method, path, body, change), wanted)

    async def do(
        self, method: str, path: str, body: object = None, *, change: Change = NO_CHANGE
    ) -> None:
        """Send a change whose answer says nothing of interest; raises Refused."""
        await self.send(method, path, body, change=change)

    async def send(
        self, method: str, path: str, body: object = None, *, change: Change = NO_CHANGE
    ) -> httpx.Response:
        """Send a change, and return whatever answers; raises Refused."""
        answer = await self._send(method, path, body, change)
        if answer.is_error:
            raise Refused(_problem(answer))
        return answer

    async def _send(self, method: str, path: str, body: object, change: Change) -> httpx.Response:
        headers: dict[str, str] = {}
        if change.reason is not None:
            # Header values are bytes; what people write is UTF-8.
            headers["X-Reason"] = change.reason.encode().decode("latin-1")
        if change.key is not None:
            headers["Idempotency-Key"] = change.key
        content = None
        if body is not None:
            content = msgspec.json.encode(body)
            headers["Content-Type"] = "application/json"
        request = self._request(method, path, content=content, headers=headers)
        return await self._client.send(request)

    @contextlib.asynccontextmanager
    async def stream(
        self, path: str, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[httpx.Response]:
        """Open an answer that comes piece by piece: events, files. Raises Refused."""
        request = self._request("GET", path, headers=headers)
        answer = await self._client.send(request, stream=True)
        try:
            if answer.is_error:
                await answer.aread()
                raise Refused(_problem(answer))
            yield answer
        finally:
            await answer.aclose()

    def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str | int] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        sent = dict(headers or {})
        if self._token is not None:
            sent["Authorization"] = f"Bearer {self._token}"
        if self._agent:
            # A session's list tells its person which browser it is in.
            sent["User-Agent"] = self._agent
        if self._tenant is not None:
            sent["X-Tenant"] = self._tenant
        return self._client.build_request(
            method,
            path,
            params=params or None,
            content=content,
            headers=[(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
            extensions={CLIENT: self._address},
        )


def _decoded(answer: httpx.Response, wanted: type[_T]) -> _T:
    if answer.is_error:
        raise Refused(_problem(answer))
    return msgspec.json.decode(answer.content, type=wanted)


def _problem(answer: httpx.Response) -> Problem:
    try:
        return msgspec.json.decode(answer.content, type=Problem)
    except msgspec.DecodeError:
        return Problem(
            type="about:blank",
            title=answer.reason_phrase,
            status=answer.status_code,
            detail="the platform answered with something that isn't a problem document",
        )


async def pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    """Hand on a streamed answer's body."""
    async for piece in answer.aiter_raw():
        yield piece
