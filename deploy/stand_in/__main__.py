"""``python -P -m deploy.stand_in``: run a stand-in for Stripe on loopback."""

from __future__ import annotations

import asyncio
import signal
import socket
import sqlite3
import time
from pathlib import Path

import click
import uvicorn
from msgspec import Struct

from deploy.stand_in import clocks, customers, events
from deploy.stand_in.app import create_app
from deploy.stand_in.deliveries import Deliveries
from deploy.stand_in.desk import Desk
from deploy.stand_in.problems import LIVE_KEYS
from deploy.stand_in.store import Store

LOOPBACK = "127.0.0.1"
SHUTDOWN_S_MAX = 3


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where events go, and what they are signed with."""

    url: str
    secret: str


def read_endpoint(text: str) -> Endpoint:
    """Read URL=SECRET; the address may hold the sign too."""
    url, separator, secret = text.rpartition("=")
    if not separator or not url.startswith(("http://", "https://")) or not secret:
        raise click.BadParameter(f"{text!r} isn't URL=SECRET, as http://127.0.0.1/hook=whsec_x")
    return Endpoint(url=url, secret=secret)


@click.command()
@click.option("--port", type=click.IntRange(1, 65_535), required=True)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="The file that keeps everything.",
)
@click.option(
    "--api-key",
    envvar="STAND_IN_API_KEY",
    required=True,
    help="The key that clients send: sk_test_…",
)
@click.option(
    "--webhook",
    "webhooks",
    envvar="STAND_IN_WEBHOOKS",
    multiple=True,
    metavar="URL=SECRET",
    help="An endpoint that hears of every event.",
)
@click.option("--seed", default=None, help="Makes a new file's ids repeatable.")
@click.option(
    "--clock-for-new-customers",
    "has_clock",
    is_flag=True,
    help="Binds new customers to a test clock that stands at the time of the start.",
)
def main(  # noqa: PLR0913 - one for each option
    *,
    port: int,
    state: Path,
    api_key: str,
    webhooks: tuple[str, ...],
    seed: str | None,
    has_clock: bool,
) -> None:
    """Run a stand-in for Stripe, for development and tests: no money moves."""
    if api_key.startswith(LIVE_KEYS) or not api_key.startswith(("sk_test_", "rk_test_")):
        raise click.UsageError("a stand-in takes only test keys: one that begins with sk_test_")
    endpoints = [read_endpoint(text) for text in webhooks]
    try:
        store = Store(state, seed=seed)
    except sqlite3.Error as error:
        raise click.ClickException(f"{state} can't be opened ({error})") from error
    desk = Desk(store, Deliveries(store), url=f"http://{LOOPBACK}:{port}", api_key=api_key)
    with listen(port) as listening:
        prepare(desk, endpoints, has_clock=has_clock)
        asyncio.run(serve(desk, listening))


def prepare(desk: Desk, endpoints: list[Endpoint], *, has_clock: bool) -> None:
    """Register what the command line names, in the place of what it named last time."""
    with desk.books() as books:
        events.forget_registered(books)
        for endpoint in endpoints:
            events.register(books, url=endpoint.url, secret=endpoint.secret)
        if has_clock and not books.store.setting(customers.CLOCK_FOR_NEW):
            clock = clocks.make(books, at=int(time.time()), name="for new customers")
            books.store.set(customers.CLOCK_FOR_NEW, clock.id)


def listen(port: int) -> socket.socket:
    """Take the port; raises ClickException where somebody else has it."""
    try:
        return socket.create_server((LOOPBACK, port), reuse_port=False)
    except OSError as error:
        reason = error.strerror or str(error)
        raise click.ClickException(f"{LOOPBACK}:{port} can't be listened on ({reason})") from error


async def serve(desk: Desk, listening: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT."""
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(desk),
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_level="warning",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_S_MAX,
        )
    )
    # uvicorn handles these itself and raises them once more at the end: an end that was asked for
    # is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    await server.serve(sockets=[listening])


def _leave(number: int, frame: object) -> None:
    """Do nothing: the server has stopped already."""


if __name__ == "__main__":
    main()
