"""What a command shows: a small table for people, or one document for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

#: Wide enough for a name, an id and a place; a terminal that is narrower folds the cells.
PIPE_WIDTH = 160


def show_json(document: object) -> None:
    """Write one document on stdout."""
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Write a table; ``empty`` is what is said when it has no row."""
    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    _print(table if table.row_count else None, empty)


def show_fields(fields: Mapping[str, object]) -> None:
    """Write one thing, a line for each of its fields."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in fields.items():
        table.add_row(name, _cell(value))
    _print(table, "")


def _cell(value: object) -> str:
    return "-" if value is None or value == "" else str(value)


def _print(table: Table | None, empty: str) -> None:
    if table is None:
        click.echo(empty, err=True)
        return
    # Names come from people: markup and emoji codes in them are theirs, not ours.
    console = Console(markup=False, emoji=False, highlight=False, soft_wrap=False)
    if not console.is_terminal:
        console = Console(markup=False, emoji=False, highlight=False, width=PIPE_WIDTH)
    console.print(table)
