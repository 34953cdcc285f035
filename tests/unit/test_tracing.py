"""Spans leave the process for the endpoint that was set."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from litestar import Litestar, get
from litestar.testing import TestClient

from deploy.tracing import Tracing


@get("/hello", sync_to_thread=False)
def hello() -> str:
    return "hello"


class Collector(BaseHTTPRequestHandler):
    """What an OpenTelemetry collector does, as far as one test looks."""

    received: list[tuple[str, bytes]]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.received.append((self.path, body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's signature
        """Say nothing."""


def test_a_request_is_a_span_at_the_collector() -> None:
    received: list[tuple[str, bytes]] = []
    kind = type("Kept", (Collector,), {"received": received})
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tracing = Tracing(f"http://127.0.0.1:{server.server_port}/", process="stepwell-test")
        with TestClient(Litestar([hello], plugins=[tracing.plugin])) as client:
            assert client.get("/hello?token=secret").text == "hello"
        tracing.close()
        server.shutdown()
    assert [path for path, _ in received] == ["/v1/traces"]
    assert b"/hello" in received[0][1]
    assert b"stepwell-test" in received[0][1]
    assert b"secret" not in received[0][1]
