"""What a worker counts of its moves, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_PAUSES_S = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0)


class Figures:
    """The counters of one process. Tenants are no labels: there are too many of them."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._ended = Counter(
            "stepwell_moves_total",
            "Moves that came to an end here, by how they did",
            ["outcome"],
            registry=self.registry,
        )
        self._running = Gauge(
            "stepwell_moves_running", "Moves that this process works on", registry=self.registry
        )
        self._pause_s = Histogram(
            "stepwell_move_pause_seconds",
            "How long writers were held for a decision",
            buckets=_PAUSES_S,
            registry=self.registry,
        )
        self._missed = Counter(
            "stepwell_move_fences_missed_total",
            "Attempts at a decision that came to nothing; the tenant's writers went on",
            registry=self.registry,
        )
        self._rows = Counter(
            "stepwell_move_rows_copied_total", "Rows that were copied", registry=self.registry
        )
        self._lag = Gauge(
            "stepwell_move_lag_rows",
            "Rows that the last round of any move here had to bring",
            registry=self.registry,
        )

    def began(self) -> None:
        """Count a move that this process takes up."""
        self._running.inc()

    def left(self) -> None:
        """Count one that it works on no more, ended or not."""
        self._running.dec()

    def ended(self, outcome: str) -> None:
        """Count an end: done, undone, settled, cancelled, failed."""
        self._ended.labels(outcome).inc()

    def decided(self, pause_ms: float, missed: int) -> None:
        """Count a decision, and the attempts before it that came to nothing."""
        self._pause_s.observe(pause_ms / 1_000)
        self._missed.inc(missed)

    def copied(self, rows: int) -> None:
        """Count a chunk."""
        self._rows.inc(rows)

    def lagging(self, rows: int) -> None:
        """Tell how much the last round brought."""
        self._lag.set(rows)
