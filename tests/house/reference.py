"""How the reference pages are written from what the code says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import click
import msgspec

from deploy.settings import Setting
from router.errors import PlatformError

HELP_WIDTH = 80
NOTE = "<!-- Written by `make reference`; a test compares it with the code. -->"


def settings_page(settings: Iterable[Setting]) -> str:
    head = ["| setting | meaning | unit | default |", "|---|---|---|---|"]
    rows = [
        f"| `{setting.name}` | {_cell(setting.meaning)} | {setting.unit} |"
        f" {_cell(setting.default)} |"
        for setting in settings
    ]
    text = "Read from the environment when a process starts; all that is wrong is named at once."
    return _page("Settings", text, *head, *rows)


def errors_page(root: type[PlatformError]) -> str:
    text = (
        "A refused request is answered with an `application/problem+json` document whose `code`"
        " is one of these; a process that can't start prints the message and exits with 1."
    )
    head = ["| code | status | what happened, and what to do | class |", "|---|---|---|---|"]
    rows = [
        f"| `{error.code}` | {error.status} | {_sentence(error)} | `{error.__name__}` |"
        for error in error_classes(root)
    ]
    return _page("Errors", text, *head, *rows)


def cli_page(command: click.Command, name: str) -> str:
    return _page(
        "Command line",
        *_commands(command, click.Context(command, info_name=name, **command.context_settings)),
    )


def openapi_page(document: object) -> str:
    """Indented and in the order of the names, so that a change shows as the lines it is."""
    ordered = msgspec.json.encode(document, order="sorted")
    return msgspec.json.format(ordered, indent=2).decode() + "\n"


def error_classes(root: type[PlatformError]) -> Iterator[type[PlatformError]]:
    """Each class once, parents before children, in the order of their definition.

    Those of other folders come after the ground floor's, by name: which of their modules is
    imported first depends on who asks.
    """
    yield root
    children = root.__subclasses__()
    ours = [child for child in children if child.__module__ == root.__module__]
    others = [child for child in children if child.__module__ != root.__module__]
    for child in [*ours, *sorted(others, key=lambda each: each.__name__)]:
        yield from error_classes(child)


def _commands(command: click.Command, context: click.Context) -> Iterator[str]:
    context.terminal_width = HELP_WIDTH
    yield f"## {context.command_path}\n\n```\n{command.get_help(context).rstrip()}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from _commands(child, click.Context(child, parent=context, info_name=name))


def _page(title: str, *lines: str) -> str:
    text = "\n".join(lines[1:])
    return f"# {title}\n\n{NOTE}\n\n{lines[0]}\n\n{text}".rstrip() + "\n"


def _sentence(error: type[PlatformError]) -> str:
    assert error.__doc__, f"{error.__name__} must say what happened and what to do"
    return _cell(error.__doc__)


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|")
