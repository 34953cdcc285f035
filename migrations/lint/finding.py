"""What the linter says."""

from __future__ import annotations

import msgspec

_STATEMENT_LENGTH_MAX = 120


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One statement that must not be run as it stands: what it would do, and what to write."""

    revision: str
    rule: str
    statement: str
    danger: str
    remedy: str

    def __str__(self) -> str:
        """Say it in one sentence."""
        said = self.statement
        if len(said) > _STATEMENT_LENGTH_MAX:
            said = said[: _STATEMENT_LENGTH_MAX - 1] + "…"
        return f"revision {self.revision}: {said}: {self.danger}; {self.remedy} [{self.rule}]"
