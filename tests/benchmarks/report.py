"""A run's outcome: one table for people, one document for programs."""

from __future__ import annotations

from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from tests.benchmarks.figures import Figure
from tests.benchmarks.rounds import Comparison
from tests.benchmarks.world import Sizes


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was measured in one run."""

    sizes: Sizes
    comparisons: list[Comparison]
    figures: list[Figure]

    @property
    def is_noisy(self) -> bool:
        return any(each.is_noisy for each in self.comparisons)

    @property
    def missed(self) -> list[str]:
        """Return what is above what is required, in words."""
        lines = [
            f"{each.title}: {line.name} is {line.cpu_ratio:.2f} times its floor, "
            f"{line.ratio_max} at most"
            for each in self.comparisons
            for line in each.missed
        ]
        return lines + [
            f"{figure.name}: {figure.shown(figure.value)}, {figure.limit}"
            for figure in self.figures
            if figure.is_missed
        ]

    def document(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        return {
            **msgspec.to_builtins(self),
            "is_noisy": self.is_noisy,
            "missed": self.missed,
        }

    def show(self, console: Console) -> None:
        """Print the tables and what to think of them."""
        for comparison in self.comparisons:
            console.print(_table(comparison))
        for figure in self.figures:
            limit = f" ({figure.limit})" if figure.limit else ""
            console.print(f"{figure.name}: {figure.shown(figure.value)}{limit}")
        for sentence in self.missed:
            console.print(f"missed: {sentence}")
        if self.is_noisy:
            console.print("noisy: a floor differed from itself by more than 5 %; run it again")


def _table(comparison: Comparison) -> Table:
    table = Table(
        title=f"{comparison.title} (the floor differs from itself by {comparison.noise:.1%})"
    )
    table.add_column("variant")
    for heading in (
        "Python µs",
        "PostgreSQL µs",
        "wall µs",
        "CPU ratio",
        "Python ratio",
        "wall ratio",
        "max",
    ):
        table.add_column(heading, justify="right")
    for line in comparison.lines:
        table.add_row(
            line.name,
            f"{line.python_us:,.0f}",
            f"{line.postgres_us:,.0f}",
            f"{line.wall_us:,.0f}",
            f"{line.cpu_ratio:.2f}",
            f"{line.python_ratio:.2f}",
            f"{line.wall_ratio:.2f}",
            f"{line.ratio_max:.2f}" if line.ratio_max else "",
        )
    return table
