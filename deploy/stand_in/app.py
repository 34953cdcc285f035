"""The web application: the API under /v1, the pages, and the private address of tests."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncGenerator

from litestar import HttpMethod, Litestar, Request, Response, route
from litestar.datastructures import State
from litestar.exceptions import HTTPException

from deploy.stand_in import browsing, clocks, control
from deploy.stand_in.control import AnyRequest
from deploy.stand_in.desk import Asked, Desk, Said
from deploy.stand_in.problems import Refused

BODY_BYTES_MAX = 1_000_000
TICK_S = 1.0
#: So many alarms of the real clock ring before somebody else has a turn.
ALARMS_A_TURN = 50


def create_app(desk: Desk) -> Litestar:
    """Make the application of one stand-in."""

    @route("/v1/{path:path}", http_method=[HttpMethod.GET, HttpMethod.POST, HttpMethod.DELETE])
    async def api(path: str, request: AnyRequest) -> Response[bytes]:
        is_question = request.method == "GET"
        query = request.scope["query_string"]
        asked = Asked(
            method=request.method,
            path=path.strip("/"),
            authorization=request.headers.get("authorization"),
            idempotency_key=request.headers.get("idempotency-key"),
            encoded=query if is_question else b"&".join((query, await request.body())),
        )
        return _response(request, asked, await desk.answer(asked))

    @contextlib.asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncGenerator[None]:
        tasks = [
            asyncio.create_task(desk.deliveries.keep_on(), name="delivering"),
            asyncio.create_task(_tick(desk), name="the clock"),
        ]
        for task in tasks:
            task.add_done_callback(_end_with)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            desk.store.close()

    return Litestar(
        [api, *browsing.routes(desk), *control.routes(desk)],
        lifespan=[lifespan],
        exception_handlers={Refused: _refused, HTTPException: _http},
        openapi_config=None,
        request_max_body_size=BODY_BYTES_MAX,
        logging_config=None,
    )


def _end_with(task: asyncio.Task[None]) -> None:
    """Leave, rather than go on answering while nothing is delivered or falls due any more."""
    if not task.cancelled() and (error := task.exception()) is not None:
        sys.stderr.write(f"the stand-in ends, because {task.get_name()} failed: {error!r}\n")
        os.kill(os.getpid(), signal.SIGTERM)


async def _tick(desk: Desk) -> None:
    """Let the real clock's alarms ring."""
    while True:
        with desk.books() as books:
            is_more = clocks.tick(books, limit=ALARMS_A_TURN)
        await asyncio.sleep(0 if is_more else TICK_S)


def _response(request: AnyRequest, asked: Asked, said: Said) -> Response[bytes]:
    headers = {"Stripe-Version": request.headers.get("stripe-version", "")}
    if said.request_id is not None:
        headers["Request-Id"] = said.request_id
    if asked.idempotency_key:
        headers["Idempotency-Key"] = asked.idempotency_key
    if said.is_replay:
        headers["Idempotent-Replayed"] = "true"
    return Response(
        said.body,
        status_code=said.status,
        media_type="application/json" if said.is_json else "text/html",
        headers=headers,
    )


def _refused(_: Request[None, None, State], refused: Refused) -> Response[bytes]:
    return Response(refused.document(), status_code=refused.status, media_type="application/json")


def _http(_: Request[None, None, State], error: HTTPException) -> Response[bytes]:
    return _refused(_, Refused(error.detail, status=error.status_code))
