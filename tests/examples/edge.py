"""What a platform does around a product, in its simplest form: one database, one customer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from litestar import Litestar, Request, Response
from litestar.di import Provide
from litestar.exceptions import ValidationException
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, ControllerRouterHandler, Message, Receive, Scope, Send
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

UNIQUE_VIOLATION = "23505"
FOREIGN_KEY_VIOLATION = "23503"


class Edge(ASGIMiddleware):
    """One request is one transaction; an answer that says no takes everything back."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        async with AsyncSession(self._engine, expire_on_commit=False) as session:
            scope["state"]["session"] = session
            await next_app(scope, receive, watched)
            if status < 400:
                await session.commit()


async def session_of(scope: Scope) -> AsyncSession:
    session = scope["state"]["session"]
    assert isinstance(session, AsyncSession)
    return session


def integrity(_: Request[Any, Any, Any], error: IntegrityError) -> Response[dict[str, object]]:
    state = getattr(error.orig, "sqlstate", None)
    status = 409 if state in {UNIQUE_VIOLATION, FOREIGN_KEY_VIOLATION} else 422
    return Response({"status": status, "detail": "a rule of the table"}, status_code=status)


def invalid(_: Request[Any, Any, Any], error: ValidationException) -> Response[dict[str, object]]:
    faults = str(error.extra)
    status = 422 if "'source': 'body'" in faults else 400
    return Response({"status": status, "detail": faults}, status_code=status)


def unreadable(_: Request[Any, Any, Any], error: Exception) -> Response[dict[str, object]]:
    """Litestar lets these two through from a JSON body that is no UTF-8, or too deep."""
    return Response({"status": 400, "detail": f"the body is no JSON: {error}"}, status_code=400)


def served(routes: Sequence[ControllerRouterHandler], engine: AsyncEngine) -> Litestar:
    return Litestar(
        routes,
        dependencies={"session": Provide(session_of)},
        middleware=[Edge(engine)],
        exception_handlers={
            IntegrityError: integrity,
            ValidationException: invalid,
            UnicodeDecodeError: unreadable,
            RecursionError: unreadable,
        },
    )
