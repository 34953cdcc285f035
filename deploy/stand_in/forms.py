"""Form-encoded nested bodies, as Stripe takes them: items[0][price]=…, metadata[x]=y, expand[]=….

A form knows which of its fields were read, so that a field that nobody asked for is refused
instead of being silently without effect.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeAlias
from urllib.parse import unquote_to_bytes

from deploy.stand_in.problems import Refused, invalid, required

Tree: TypeAlias = "dict[str, str | Tree]"

NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
DEPTH_MAX = 8
FIELDS_MAX = 2_000
TEXT_LENGTH_MAX = 5_000
#: JSON's whole numbers are exact up to here.
NUMBER_MAX = 2**53 - 1
MOMENT_MAX = 4_102_444_800  # the year 2100: calendar arithmetic stays inside what dates can say
METADATA_KEYS_MAX = 50
METADATA_KEY_LENGTH_MAX = 40
METADATA_VALUE_LENGTH_MAX = 500


def parse(encoded: bytes) -> Form:
    """Read a query or a body; raises Refused for what can't be read."""
    tree: Tree = {}
    pairs = [pair for pair in encoded.split(b"&") if pair]
    if len(pairs) > FIELDS_MAX:
        raise Refused(f"The request has more than {FIELDS_MAX} fields.")
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        _plant(tree, _decoded(name), _decoded(value))
    return Form(tree)


def _decoded(text: bytes) -> str:
    try:
        decoded = unquote_to_bytes(text.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused("The request isn't valid UTF-8.") from error
    if "\0" in decoded:
        raise Refused("The request holds a NUL character.")
    return decoded


def _plant(tree: Tree, name: str, value: str) -> None:
    found = NAME.fullmatch(name)
    if found is None:
        raise Refused(f"Invalid parameter name: {name[:100]!r}", code="parameter_unknown")
    keys = [found[1], *re.findall(r"\[([^\[\]]*)\]", found[2])]
    if len(keys) > DEPTH_MAX:
        raise Refused(f"Parameters nest deeper than {DEPTH_MAX} levels.")
    for key in keys[:-1]:
        inner = tree.setdefault(key or str(len(tree)), {})
        if isinstance(inner, str):
            raise invalid(name, f"{name} is given both as a value and as an object.")
        tree = inner
    last = keys[-1] or str(len(tree))
    if isinstance(tree.get(last), dict):
        raise invalid(name, f"{name} is given both as a value and as an object.")
    tree[last] = value


class Form:
    """One level of fields."""

    def __init__(self, tree: Tree | None = None, path: str = "") -> None:
        self._tree = tree or {}
        self._path = path
        self._read: set[str] = set()
        self._inner: list[Form] = []

    def has(self, name: str) -> bool:
        """Say whether the field was sent, empty or not."""
        return name in self._tree

    def is_object(self, name: str) -> bool:
        """Say whether the field was sent as an object."""
        return isinstance(self._tree.get(name), dict)

    def is_cleared(self, name: str) -> bool:
        """Say whether the field was sent empty, which unsets it."""
        return self._tree.get(name) == ""

    def text(self, name: str) -> str | None:
        """Read a field; an empty one counts as none."""
        self._read.add(name)
        value = self._tree.get(name)
        if isinstance(value, dict):
            raise invalid(self.spelled(name), f"Invalid string: {self.spelled(name)}")
        if value is not None and len(value) > TEXT_LENGTH_MAX:
            raise invalid(self.spelled(name), f"{self.spelled(name)} is too long.")
        return value or None

    def wanted(self, name: str) -> str:
        """Read a field that must be there."""
        value = self.text(name)
        if value is None:
            raise required(self.spelled(name))
        return value

    def number(
        self, name: str, *, at_least: int = -NUMBER_MAX, at_most: int = NUMBER_MAX
    ) -> int | None:
        """Read a whole number."""
        value = self.text(name)
        if value is None:
            return None
        if re.fullmatch(r"-?[0-9]{1,16}", value, re.ASCII) is None:
            raise invalid(self.spelled(name), f"Invalid integer: {value[:40]}")
        number = int(value)
        if not at_least <= number <= at_most:
            raise invalid(
                self.spelled(name), f"{self.spelled(name)} is outside {at_least} to {at_most}."
            )
        return number

    def moment(self, name: str) -> int | None:
        """Read a time, in seconds since 1970."""
        return self.number(name, at_least=0, at_most=MOMENT_MAX)

    def flag(self, name: str) -> bool | None:
        """Read true or false."""
        value = self.choice(name, ("true", "false"))
        return None if value is None else value == "true"

    def choice(self, name: str, among: tuple[str, ...]) -> str | None:
        """Read one word of several."""
        value = self.text(name)
        if value is not None and value not in among:
            raise invalid(
                self.spelled(name),
                f"Invalid {self.spelled(name)}: must be one of {', '.join(among)}",
            )
        return value

    def within(self, name: str) -> Form:
        """Read a nested object; an empty form where there is none."""
        self._read.add(name)
        value = self._tree.get(name) or {}
        if isinstance(value, str):
            raise invalid(self.spelled(name), f"Invalid object: {self.spelled(name)}")
        form = Form(value, self.spelled(name))
        self._inner.append(form)
        return form

    def each(self, name: str) -> tuple[Form, ...]:
        """Read an array of objects."""
        array = self.within(name)
        return tuple(array.within(index) for index in array.names())

    def texts(self, name: str) -> tuple[str, ...]:
        """Read an array of values."""
        array = self.within(name)
        return tuple(array.wanted(index) for index in array.names())

    def pairs(self, name: str, old: dict[str, str] | None = None) -> dict[str, str]:
        """Read metadata over what there was: an empty value takes its key away."""
        if self.is_cleared(name):
            self._read.add(name)
            return {}
        inner = self.within(name)
        given = {key: inner.text(key) for key in inner.names()}
        for key, value in given.items():
            if len(key) > METADATA_KEY_LENGTH_MAX or len(value or "") > METADATA_VALUE_LENGTH_MAX:
                raise invalid(self.spelled(name), "Metadata keys or values are too long.")
        merged = {**(old or {}), **given}
        kept = {key: value for key, value in merged.items() if value is not None}
        if len(kept) > METADATA_KEYS_MAX:
            raise invalid(self.spelled(name), f"Metadata has more than {METADATA_KEYS_MAX} keys.")
        return kept

    def names(self) -> tuple[str, ...]:
        """Name every field of this level, in the order in which they came."""
        return tuple(self._tree)

    def pass_over(self, *names: str) -> None:
        """Take fields that Stripe knows and that change nothing here."""
        self._read.update(names)

    def unread(self) -> Iterator[str]:
        """Name each field that nobody asked for."""
        for name in self._tree:
            if name not in self._read:
                yield self.spelled(name)
        for inner in self._inner:
            yield from inner.unread()

    def spelled(self, name: str) -> str:
        """Spell a field as it was sent."""
        return f"{self._path}[{name}]" if self._path else name
