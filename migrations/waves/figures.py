"""What a worker counts of migrations, for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from router.catalog.wave_words import EntryState

if TYPE_CHECKING:
    from collections.abc import Mapping

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
        self._now = Gauge(
            "stepwell_migration_places_now",
            "Places of the migration at which this worker worked last, by how far they are.",
            ["state"],
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

    def stand(self, places: Mapping[EntryState, int]) -> None:
        """Say how many places are how far."""
        for state in EntryState:
            self._now.labels(state.value).set(places.get(state, 0))

    def took(self, took_ms: float) -> None:
        """Say how long a transaction took."""
        self._took.observe(took_ms / 1_000)
