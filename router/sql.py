"""SQL is read as SQL: statements stand in .sql files, each under ``-- name: what_it_does``."""

from __future__ import annotations

import re
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAME = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)


def load(package: str, file: str) -> Mapping[str, str]:
    """Read the named statements of one file; comments above the first name describe the file."""
    _, *parts = _NAME.split(files(package).joinpath(file).read_text(encoding="utf-8"))
    statements: dict[str, str] = {}
    for name, text in zip(parts[::2], parts[1::2], strict=True):
        assert name not in statements, f"{file} names {name} twice"
        statements[name] = text.strip()
    assert statements, f"{file} of {package} names no statement"
    return MappingProxyType(statements)
