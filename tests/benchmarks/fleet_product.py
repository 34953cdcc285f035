"""The shop, with revisions that the measurement writes: its folder comes from the environment."""

from __future__ import annotations

import os

from examples.store.product import product as store
from router.product import Product

REVISIONS_VARIABLE = "BENCH_REVISIONS"

product = Product(
    name="store",
    metadata=store.metadata,
    routes=store.routes,
    revisions=os.environ.get(REVISIONS_VARIABLE, store.revisions),
)
