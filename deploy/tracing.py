"""OpenTelemetry spans, by Litestar's own plugin. Imported only where an endpoint is set.

The packages are the extra ``otel``: a gateway that sends no spans needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from litestar.plugins.opentelemetry import OpenTelemetryConfig, OpenTelemetryPlugin
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

if TYPE_CHECKING:
    from opentelemetry.trace import Span

_TRACES_PATH = "/v1/traces"


class Tracing:
    """Sends a span for each request to an OTLP endpoint; ``close`` sends what is left."""

    def __init__(self, endpoint: str, *, process: str) -> None:
        self._provider = TracerProvider(resource=Resource.create({SERVICE_NAME: process}))
        exporter = OTLPSpanExporter(endpoint=endpoint.rstrip("/") + _TRACES_PATH)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self.plugin = OpenTelemetryPlugin(
            OpenTelemetryConfig(
                tracer_provider=self._provider, server_request_hook_handler=_leave_query_out
            )
        )

    def close(self) -> None:
        """Send the spans that wait, and stop."""
        self._provider.shutdown()


def _leave_query_out(span: Span, scope: dict[str, Any]) -> None:
    """Keep what a letter's link brings out of the traces: a token may stand behind the `?`."""
    if not scope.get("query_string"):
        return
    path = str(scope["path"])
    host = next((value for name, value in scope["headers"] if name == b"host"), b"")
    span.set_attribute("http.url", f"{scope['scheme']}://{host.decode('latin-1')}{path}")
    span.set_attribute("http.target", path)
    span.set_attribute("url.query", "")
