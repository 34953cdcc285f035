"""Statements of the fast lane: compiled once at import, spelled once per schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.sql.compiler import SQLCompiler

from router.alchemy import dialect
from router.names import quote

if TYPE_CHECKING:
    from sqlalchemy.sql import ClauseElement

_SCHEMA = "__stepwell_schema__"
#: Above this many schemas a statement forgets its spellings and starts anew: 300 B each.
_SPELLINGS_MAX = 10_000


class Statement:
    """One SQL statement; its free parameters are given by position, in the order of ``free``.

    The text names each table with its schema: a name that had to be searched for would be planned
    anew whenever a connection changes tenant. A value written into the clause stays what it was.
    """

    __slots__ = ("_fixed", "_spellings", "_template", "free")

    def __init__(self, clause: ClauseElement) -> None:
        compiled = clause.compile(
            dialect=dialect(),
            schema_translate_map={None: _SCHEMA},
            render_schema_translate=True,
        )
        assert isinstance(compiled, SQLCompiler)
        if compiled.post_compile_params:
            raise TypeError(
                "a list of values has no fixed number of positions: write column == "
                'any_(bindparam("name", type_=ARRAY(...))), and give the list as one value'
            )
        names = compiled.positiontup or []
        is_free = [compiled.binds[name].required for name in names]
        self.free = tuple(name for name, free in zip(names, is_free, strict=True) if free)
        #: One entry a position: None for a free parameter, else the value in a tuple of its own.
        self._fixed = (
            None
            if all(is_free)
            else [
                None if free else (compiled.params[name],)
                for name, free in zip(names, is_free, strict=True)
            ]
        )
        self._template = str(compiled)
        self._spellings: dict[str, str] = {}

    def spelled(self, schema: str) -> str:
        """Return the statement's text for the tables of one schema."""
        text = self._spellings.get(schema)
        if text is None:
            if len(self._spellings) >= _SPELLINGS_MAX:
                self._spellings.clear()
            text = self._template.replace(_SCHEMA, quote(schema))
            self._spellings[schema] = text
        return text

    def arranged(self, values: tuple[object, ...]) -> tuple[object, ...]:
        """Return one value for each position of the text, the fixed ones filled in."""
        if len(values) != len(self.free):
            raise TypeError(f"the statement takes {self.free}, not {len(values)} values")
        if self._fixed is None:
            return values
        free = iter(values)
        return tuple(next(free) if fixed is None else fixed[0] for fixed in self._fixed)
