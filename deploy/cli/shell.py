"""How every command behaves: its errors, its exit status, its loop, the options that many share."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click
from rich.console import Console

from deploy.stack.errors import StackError
from deploy.stack.state import DEFAULT_FOLDER
from router.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

_Parameters = ParamSpec("_Parameters")
_Command = TypeVar("_Command", bound="Callable[..., Any]")


#: Who an audit row says it was: whoever can read the secret key of this installation.
NAME = "cli"
ACTOR = f"operator:{NAME}"


class Failed(click.ClickException):
    """A command that failed: one sentence on stderr, exit status 1."""

    def show(self, file: object = None) -> None:  # noqa: ARG002 - click's signature
        """Say what happened."""
        click.echo(f"stepwell: {self.message}", err=True)


class Shell(click.Group):
    """The outermost group: whatever goes wrong below it becomes one sentence."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Keep the order in which they were given: what is done first stands first."""
        return [*self.commands]

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        """Run a command; a traceback is shown to nobody who didn't ask for it."""
        try:
            return super().invoke(ctx)
        except PlatformError as error:
            raise Failed(error.detail) from error
        except StackError as error:
            raise Failed(str(error)) from error
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
                raise Failed("the lines above say where it happened") from error
            raise Failed(
                f"{_spell(error)}: nobody foresaw this; `stepwell --debug "
                f"{ctx.invoked_subcommand or ''} …` shows where it happened"
            ) from error


def asynchronous(
    command: Callable[_Parameters, Coroutine[Any, Any, None]],
) -> Callable[_Parameters, None]:
    """Run a command in an event loop of its own."""

    @functools.wraps(command)
    def run(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> None:
        asyncio.run(command(*args, **kwargs))

    return run


def state_option(command: _Command) -> _Command:
    """Add ``--state``: which embedded stack is meant."""
    return click.option(
        "--state",
        type=click.Path(path_type=Path, resolve_path=True),
        default=DEFAULT_FOLDER,
        envvar="STEPWELL_STATE",
        show_default=True,
        help="The folder of the embedded stack; STEPWELL_STATE names it too.",
    )(command)


def json_option(command: _Command) -> _Command:
    """Add ``--json``: one document on stdout, for programs."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Write one JSON document, for programs."
    )(command)


def say(line: str) -> None:
    """Tell a person how it goes: stdout is for what was asked for."""
    click.echo(line, err=True)


@contextlib.contextmanager
def progress(doing: str) -> Generator[None]:
    """Show on a terminal that something goes on, and what; elsewhere say nothing."""
    with Console(stderr=True).status(doing):
        yield


def _spell(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
