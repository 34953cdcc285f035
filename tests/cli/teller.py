"""Many commands in one process: what takes a second to import is imported once.

`python -m tests.cli.teller` reads a JSON document a line, and answers with another.
"""

from __future__ import annotations

import subprocess
import sys

import msgspec
from click.testing import CliRunner

from deploy.cli import main


class Told(msgspec.Struct, frozen=True):
    """One command with the environment it runs in."""

    words: list[str]
    env: dict[str, str]
    #: What it reads from stdin.
    typed: str = ""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """A command that has ended."""

    status: int
    out: str
    err: str

    def document(self) -> dict[str, object]:
        """Read what it wrote as one JSON document."""
        assert self.status == 0, self.err
        return msgspec.json.decode(self.out, type=dict[str, object])

    def documents(self) -> list[dict[str, object]]:
        """Read what it wrote as one JSON list."""
        assert self.status == 0, self.err
        return msgspec.json.decode(self.out, type=list[dict[str, object]])

    def sentence(self) -> str:
        """Return the one line with which it failed."""
        assert self.status == 1, (self.status, self.err)
        assert self.out == ""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("stepwell: ")
        return lines[0].removeprefix("stepwell: ")


class Teller:
    """The other end of the pipe."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def run(self, words: list[str], env: dict[str, str], typed: str = "") -> Done:
        """Have one command run to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(Told(words, env, typed)) + b"\n")
        self._process.stdin.flush()
        return msgspec.json.decode(self._process.stdout.readline(), type=Done)


def _answer(line: str) -> bytes:
    told = msgspec.json.decode(line, type=Told)
    done = CliRunner().invoke(
        main, told.words, env=told.env, input=told.typed, prog_name="stepwell"
    )
    return msgspec.json.encode(Done(status=done.exit_code, out=done.stdout, err=done.stderr))


if __name__ == "__main__":
    for told_line in sys.stdin:
        sys.stdout.buffer.write(_answer(told_line) + b"\n")
        sys.stdout.flush()
