"""One process of a measurement: `python -m tests.benchmarks.server gateway|floor|worker PORT`.

Gateway and worker are the whole ones, configured by the environment as `stepwell serve` and
`stepwell worker` are; the floor has the gateway's server under it.
"""

from __future__ import annotations

import os
import socket
import sys

import msgspec
import uvicorn
import uvloop

from deploy import logs
from deploy.app import create_app
from deploy.heap import freeze_heap
from deploy.settings import DATABASE_URL, load
from deploy.stack.ports import LOOPBACK
from deploy.worker import work
from tests.benchmarks.floor import create_floor


def main() -> None:
    kind, port = sys.argv[1:]
    if kind == "worker":
        settings = load(os.environ)
        work(msgspec.structs.replace(settings, worker_port=int(port), log_level="warning"))
        return
    logs.configure(log_format="json", level="warning")
    app = create_app(load(os.environ)) if kind == "gateway" else create_floor(_floor_dsn())
    freeze_heap()
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            loop="none",
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
    )
    with socket.create_server((LOOPBACK, int(port))) as listening:
        uvloop.run(server.serve(sockets=[listening]))


def _floor_dsn() -> str:
    return os.environ[DATABASE_URL]


if __name__ == "__main__":
    main()
