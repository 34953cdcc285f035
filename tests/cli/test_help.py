"""Every command says what it does, and how it is called wrongly."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from deploy.cli import main


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from commands(child, (*path, name))


def command_at(path: tuple[str, ...]) -> click.Command:
    command: click.Command = main
    for name in path:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


@pytest.mark.parametrize("path", [*commands(main)], ids=" ".join)
def test_a_command_tells_what_it_does(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, [*path, "--help"])
    assert done.exit_code == 0
    assert done.stdout.startswith("Usage: ")
    summary = command_at(path).help or ""
    assert summary.split("\n")[0].rstrip().endswith((".", ":")), summary


@pytest.mark.parametrize("path", [*commands(main)], ids=" ".join)
def test_an_unknown_option_is_wrong_usage(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(main, [*path, "--no-such-option"])
    assert done.exit_code == 2
    assert "--no-such-option" in done.stderr


def test_what_lists_shows_or_makes_something_speaks_json() -> None:
    silent = {"up", "down", "serve", "worker"}
    leaves = [path for path in commands(main) if not isinstance(command_at(path), click.Group)]
    lacking = [
        path
        for path in leaves
        if path[0] not in silent
        and "--json" not in {name for each in command_at(path).params for name in each.opts}
    ]
    assert lacking == []
