"""Which files the house consists of, and what their Python says."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

ROOT = Path(__file__).resolve().parents[2]
# From the top floor down; a folder that doesn't exist yet is simply not there.
FLOORS = (
    "deploy",
    "web",
    "billing",
    "promotion",
    "pool_tier",
    "dedicated_tier",
    "migrations",
    "router",
    "examples",
)
TEXT_SUFFIXES = {
    "",
    ".cfg",
    ".conf",
    ".css",
    ".csv",
    ".html",
    ".ini",
    ".js",
    ".json",
    ".lock",
    ".mako",
    ".md",
    ".py",
    ".sh",
    ".sql",
    ".toml",
    ".txt",
    ".yaml",
    ".yml",
}


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One file of ours, its path relative to the root."""

    path: Path
    text: str

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, filename=str(self.path))

    @property
    def is_generated(self) -> bool:
        """A product's revisions are written by `stepwell revision`, in the stored form."""
        return self.path.parts[0] == "examples" and "revisions" in self.path.parts

    @property
    def module(self) -> str:
        """The dotted name under which Python imports this file."""
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def every_text() -> list[Source]:
    """Whatever git tracks or would track: ignored files are nobody's business."""
    return list(_texts())


def every_python() -> list[Source]:
    return [source for source in _texts() if source.path.suffix == ".py"]


def every_document() -> list[Source]:
    return [source for source in _texts() if source.path.suffix == ".md"]


def python(text: str, path: str = "router/planted.py") -> Source:
    """A file that was never written, for showing that a rule finds what it should."""
    return Source(path=Path(path), text=text)


def _texts() -> Iterator[Source]:
    for path in _tracked():
        if path.suffix in TEXT_SUFFIXES and (ROOT / path).is_file():
            yield Source(path=path, text=(ROOT / path).read_text(encoding="utf-8"))


def _tracked() -> list[Path]:
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        answer = subprocess.run(argv, cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout, and only git knows which files are ours")
    return sorted({Path(name.decode()) for name in answer.stdout.split(b"\0") if name})
