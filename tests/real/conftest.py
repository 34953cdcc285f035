"""A gateway, and the rows to load into its tenants: the real ones, and others of the same shape."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from examples.store.generate import generate_csv
from examples.store.models import TABLES
from tests.gateways import GatewayWorld, gateway_world
from tests.plans import roomy_plans
from tests.worlds import ROOT, Clusters

CHINOOK = ROOT.parent / "shared" / "data" / "chinook"


class Files(msgspec.Struct, frozen=True, kw_only=True):
    """Eleven CSV files in the order to load them, and what is known of them."""

    content: Mapping[str, bytes]
    rows: int
    artists: int
    revenue: str


@pytest.fixture(scope="session", params=["chinook", "generated"])
def files(request: pytest.FixtureRequest) -> Files:
    if request.param == "generated":
        content = generate_csv(seed=7)
    elif CHINOOK.is_dir():
        content = {name: Path(CHINOOK, f"{name}.csv").read_bytes() for name in TABLES}
    else:
        pytest.skip("the Chinook files aren't beside the repository, in ../shared/data/chinook")
    return Files(
        content=content,
        rows=sum(len(_records(each)) for each in content.values()),
        artists=len(_records(content["artist"])),
        revenue=str(_revenue(content["invoice"])),
    )


@pytest.fixture(scope="session")
async def made(clusters: Clusters) -> AsyncIterator[GatewayWorld]:
    async with gateway_world(clusters, plans=roomy_plans()) as built:
        yield built


def _records(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def _revenue(invoices: bytes) -> Decimal:
    return sum((Decimal(each["total"]) for each in _records(invoices)), Decimal("0.00"))
