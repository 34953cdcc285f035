"""What a worker counts of migrations, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0)


class WaveFigures:
    """Places that were brought along, failed or had to wait for a lock."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        own = registry or CollectorRegistry()
        self._places = Counter(
            "stepwell_migration_places",
            "Places at which a migration worked, by how that ended.",
            ["result"],
            registry=own,
        )
        self._behind = Gauge(
            "stepwell_migration_places_left",
            "Places that the open migration has still to bring along.",
            registry=own,
        )
        self._took = Histogram(
            "stepwell_migration_transaction_seconds",
            "How long a transaction held the tables that it changed.",
            buckets=_SECONDS,
            registry=own,
        )

    def ended(self, result: str, places: int = 1) -> None:
        """Count places: done, failed, or locked (they are tried again)."""
        self._places.labels(result).inc(places)

    def left(self, places: int) -> None:
        """Say how many places are left."""
        self._behind.set(places)

    def took(self, took_ms: float) -> None:
        """Say how long a transaction took."""
        self._took.observe(took_ms / 1_000)
