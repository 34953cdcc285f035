"""What somebody sends who wants another tenant's rows: made from the served document alone."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator
from typing import Any

import msgspec

#: It ends the very token that the other attempts need; tests/http/test_accounts.py tries it.
LEFT_OUT = frozenset({"/api/logout"})
RANDOM_KEY = 2_000_000_001


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One request, before it is said who sends it and which tenant it names."""

    method: str
    path: str
    body: Any


def attempts(document: dict[str, Any], *, key: int, tenant: str) -> Iterator[Attempt]:
    """Every operation of the document, aimed at one row's key and one tenant's name or id."""
    for path, operations in document["paths"].items():
        if path in LEFT_OUT:
            continue
        for method, operation in operations.items():
            filled = path
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    value = _path_value(parameter["name"], key, tenant)
                    filled = filled.replace("{" + parameter["name"] + "}", value)
            yield Attempt(
                method=method.upper(), path=filled, body=_body(document, operation, key, tenant)
            )


def _path_value(name: str, key: int, tenant: str) -> str:
    match name:
        case "tenant":
            return tenant
        case "table_name":
            return "artist"
        case "name":
            return "clerk"
        case "key" | "track_key":
            return str(key)
        case _:
            return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name} {tenant}"))


def _body(document: dict[str, Any], operation: dict[str, Any], key: int, tenant: str) -> Any:  # noqa: ANN401 - any JSON
    content = operation.get("requestBody", {}).get("content", {})
    if "text/csv" in content:
        return f"artist_id,name\n{key},owned\n"
    if "application/json" not in content:
        return None
    return _value(document, content["application/json"]["schema"], key, tenant)


def _value(document: dict[str, Any], schema: dict[str, Any], key: int, tenant: str) -> Any:  # noqa: ANN401 - any JSON
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for choice in itertools.chain(schema.get("oneOf", []), schema.get("anyOf", [])):
        if choice.get("type") != "null":
            return _value(document, choice, key, tenant)
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            body = {name: _value(document, each, key, tenant) for name, each in properties.items()}
            # What a mass assignment would try.
            return {**body, **({"tenant_id": tenant} if key % 2 else {})}
        case "array":
            return [_value(document, schema["items"], key, tenant)]
        case "integer":
            return key
        case "boolean":
            return True
        case _:
            return "owned"
