"""Writes hostile SQL by grammar.sql and learns: what one statement answers, the next ones use.

A generator that learnt nothing found no leak where one that did found thirteen.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from router import sql

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

_RULES = {
    name: text.splitlines() for name, text in sql.load("tests.attacks", "grammar.sql").items()
}
_PART = re.compile(r"\$(q_)?([a-z]+(?:_[a-z]+)*)")
_LEARNED = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}[0-9a-f]*|[wrm][0-9a-f]{128}")
_LEARNED_MAX = 200
_DEPTH_MAX = 7


class Grammar:
    """Statements against one victim; `words` is what an attacker may know of it."""

    def __init__(self, words: Mapping[str, str], chance: random.Random) -> None:
        self._words = words
        self._random = chance
        self._known = [words[name] for name in ("victim", "stamp", "capability", "login")]
        self._learned: list[str] = []

    def learn(self, heard: Sequence[str]) -> None:
        """Keep whatever looks like an id, a stamp or a capability."""
        for told in heard:
            self._learned += _LEARNED.findall(told)
        del self._learned[:-_LEARNED_MAX]

    def statement(self, *, whole: bool) -> str:
        """Write one statement; a `whole` one may be of any kind."""
        return self._expand("whole" if whole else "one", 0)

    def _expand(self, name: str, depth: int) -> str:
        if name in _RULES:
            ways = _RULES[name]
            way = ways[0] if depth > _DEPTH_MAX else self._random.choice(ways)
            return _PART.sub(lambda part: self._part(part, depth + 1), way)
        if name == "number":
            return str(self._random.randint(1, 99))
        if name == "learned":
            return self._random.choice(self._known + self._learned)
        return self._words[name]

    def _part(self, part: re.Match[str], depth: int) -> str:
        is_quoted, name = part.groups()
        text = self._expand(name, depth)
        return "'" + text.replace("'", "''") + "'" if is_quoted else text
