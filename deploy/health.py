"""Whether the process lives, whether it can serve, and what is missing if it can't."""

from __future__ import annotations

import msgspec
from litestar import Response, get
from litestar.datastructures import State

from deploy.platform import Platform
from router.catalog.catalog import Catalog
from router.errors import PlatformError


class Alive(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: str = "alive"


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """Whether requests can be served; ``missing`` says what isn't there, in sentences."""

    ready: bool
    missing: list[str]


@get("/healthz", sync_to_thread=False, summary="Is the process alive?")
def healthz() -> Alive:
    """Answer as long as the process can."""
    return Alive()


@get("/readyz", summary="Can the process serve?")
async def readyz(state: State) -> Response[Readiness]:
    """Answer 200 when every part that requests need is there, else 503 with what is missing."""
    platform: Platform = state.platform
    missing = [sentence for sentence in [await _silent(platform.catalog)] if sentence]
    if not platform.directory.clusters():
        missing.append("no cluster is in the catalog: add one with `stepwell cluster add`")
    readiness = Readiness(ready=not missing, missing=missing)
    return Response(readiness, status_code=503 if missing else 200)


async def _silent(catalog: Catalog) -> str | None:
    try:
        async with catalog.connection() as connection:
            await connection.fetchval("SELECT 1")
    except PlatformError:
        # Everybody may ask, so where the catalog would be stays in the log.
        return "the catalog doesn't answer"
    return None
