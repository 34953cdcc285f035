"""Every call of the served OpenAPI document, and requests made from its own description of itself.

A new route is attacked with no edit here: paths and bodies are filled from the document alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from tests.isolation.rows import columns_of, row_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import MetaData

_VERBS = ("get", "post", "put", "patch", "delete")
_OPERATORS = "/api/ops/"
_MOMENT = "2001-02-03T04:05:06"
_CSV = "text/csv"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One operation of the document."""

    method: str
    path: str
    parameters: dict[str, dict[str, Any]]
    #: Those of the query that can't be left out.
    queries: dict[str, dict[str, Any]]
    body: dict[str, Any] | None
    media_type: str
    is_public: bool

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_operators(self) -> bool:
        """Tell whether it is for operators, who may look at any tenant."""
        return self.path.startswith(_OPERATORS)

    @property
    def takes_uuid(self) -> bool:
        """Tell whether a word must be an id to get past the front door."""
        return any(schema.get("format") == "uuid" for schema in self.parameters.values())

    @property
    def is_safe(self) -> bool:
        return self.method == "GET"


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """What a request may say of somebody: the number of its rows, and one word that names it."""

    number: int
    word: str


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """A call with everything filled in but the tenant and the credential."""

    method: str
    path: str
    content: bytes = b""
    media_type: str = ""


class Document:
    """The served document: knows its calls, and how to fill each."""

    def __init__(self, served: Mapping[str, Any], metadata: MetaData) -> None:
        self._schemas: dict[str, dict[str, Any]] = served["components"]["schemas"]
        self._metadata = metadata
        self.calls = [
            _call(path, verb, item[verb])
            for path, item in served["paths"].items()
            for verb in _VERBS
            if verb in item
        ]

    def fill(self, call: Call, names: Names, turn: int) -> Filled:
        """Name somebody wherever the call takes a name; ``turn`` chooses among listed values."""
        chosen = {name: _parameter(schema, names, turn) for name, schema in call.parameters.items()}
        asked = {name: _parameter(schema, names, turn) for name, schema in call.queries.items()}
        path = call.path.format(**chosen) + (f"?{urlencode(asked)}" if asked else "")
        if call.body is None:
            return Filled(method=call.method, path=path)
        if call.media_type == _CSV:
            return Filled(
                method=call.method,
                path=path,
                content=self._csv(next(iter(chosen.values())), names.number),
                media_type=_CSV,
            )
        body = self._value(call.body, names)
        return Filled(
            method=call.method,
            path=path,
            content=msgspec.json.encode(body),
            media_type=call.media_type,
        )

    def _csv(self, table_name: str, number: int) -> bytes:
        table = self._metadata.tables[table_name]
        row = row_of(table, number, "csv", self._metadata.sorted_tables)
        names = [column.name for column in columns_of(table)]
        return f"{','.join(names)}\n{','.join(row[name] for name in names)}\n".encode()

    def _value(self, schema: dict[str, Any], names: Names) -> Any:  # noqa: ANN401 - any JSON at all
        if "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        shape = _first(schema)
        match shape.get("type"):
            case "object":
                return self._object(shape, names)
            case "array":
                return [self._value(shape["items"], names)]
            case "integer" | "number":
                return names.number
            case "boolean":
                return False
            case _:
                return _text(shape, names)

    def _object(self, schema: dict[str, Any], names: Names) -> dict[str, Any]:
        """Fill what is required and what may name a row; the rest has a default of its own."""
        required: list[str] = schema.get("required", [])
        return {
            name: self._value(each, names)
            for name, each in schema.get("properties", {}).items()
            if name in required
            or _first(each).get("type") == "integer"
            or (not required and "default" not in each)
        }


def _call(path: str, verb: str, operation: Mapping[str, Any]) -> Call:
    content: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    media_type = next(iter(content), "")
    security = operation.get("security")
    return Call(
        method=verb.upper(),
        path=path,
        parameters={
            each["name"]: each["schema"]
            for each in operation.get("parameters", [])
            if each["in"] == "path"
        },
        queries={
            each["name"]: each["schema"]
            for each in operation.get("parameters", [])
            if each["in"] == "query" and each.get("required", False)
        },
        body=content[media_type]["schema"] if media_type else None,
        media_type=media_type,
        is_public=not security or {} in security,
    )


def _parameter(schema: Mapping[str, Any], names: Names, turn: int) -> str:
    if "enum" in schema:
        return str(schema["enum"][turn % len(schema["enum"])])
    return str(names.number) if schema.get("type") == "integer" else names.word


def _text(schema: Mapping[str, Any], names: Names) -> str:
    if "enum" in schema:
        return str(schema["enum"][0])
    if schema.get("format") == "date-time":
        return _MOMENT
    # A text that may be of any length is an amount of money here.
    return names.word[: schema["maxLength"]] if "maxLength" in schema else "1"


def _first(schema: dict[str, Any]) -> dict[str, Any]:
    """Choose the first of several shapes, with what holds for all of them."""
    shapes: list[dict[str, Any]] = schema.get("oneOf", [{}])
    return {name: each for name, each in schema.items() if name != "oneOf"} | shapes[0]


def is_uuid(word: str) -> bool:
    """Tell whether a word has the shape of an id."""
    try:
        UUID(word)
    except ValueError:
        return False
    return True
