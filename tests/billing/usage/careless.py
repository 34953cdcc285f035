"""The shop with one more route, whose author writes where people only look."""

from __future__ import annotations

import msgspec
from litestar import get
from litestar.di import NamedDependency

from examples.store.product import product as store
from router.lease import Lease


@get("/visit", summary="Look, and leave a trace")
async def visit(lease: NamedDependency[Lease]) -> None:
    """Count the visitor."""
    await lease.execute("INSERT INTO artist (name) VALUES ($1)", "A visitor")


product = msgspec.structs.replace(store, routes=[*store.routes, visit])
