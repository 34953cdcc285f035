"""The OpenAPI document as it is served: every failure of every route is a problem document."""

from __future__ import annotations

import copy
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request
from litestar.openapi.plugins import JsonRenderPlugin

from router.gateway.problems import PROBLEM_TYPE

_VERBS = frozenset({"get", "post", "put", "patch", "delete"})
_PROBLEM = "Problem_document"
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "Problem document (RFC 9457)",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string", "description": "A URN that ends with the code."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What happened, for people."},
        "code": {"type": "string", "description": "What happened, for programs."},
        "errors": {"type": "array", "items": {"type": "object"}},
        "retry_after_s": {"type": "integer", "description": "When to try again."},
        "request_id": {"type": "string", "description": "What finds the request in the log."},
    },
}
_FAILURE: dict[str, Any] = {
    "description": "Whatever keeps the request from being answered.",
    "content": {PROBLEM_TYPE: {"schema": {"$ref": f"#/components/schemas/{_PROBLEM}"}}},
}
#: Files are bytes: Litestar would make an example of some, another one each time.
_FILES = ("application/zip",)
_BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
_ACCEPTED = "Idempotency-Key"
_KEY_PARAMETER: dict[str, Any] = {
    "name": _ACCEPTED,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
    "description": "A repeated request with the same key gets the first one's answer.",
}


class ApiDocument(JsonRenderPlugin):
    """Serves the completed document."""

    def render(
        self,
        request: Request[Any, Any, Any],  # noqa: ARG002 - the document is the same for all
        openapi_schema: dict[str, Any],
    ) -> bytes:
        """Write the document."""
        return msgspec.json.encode(complete(openapi_schema), enc_hook=str)


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Return the document with what holds for all routes and none of them says itself."""
    whole = copy.deepcopy(document)
    whole.setdefault("components", {}).setdefault("schemas", {})[_PROBLEM] = _SCHEMA
    for item in whole["paths"].values():
        for verb in _VERBS & item.keys():
            operation = item[verb]
            responses = operation.setdefault("responses", {})
            # Litestar documents its own shape of a 400, which the gateway never sends.
            responses.pop("400", None)
            responses["default"] = _FAILURE
            for status in responses.keys() - {"default"}:
                # A product's own refusals leave as problem documents, whatever it raised.
                if int(status) >= HTTPStatus.BAD_REQUEST:
                    responses[status] = _FAILURE | {"description": responses[status]["description"]}
                for media_type in _FILES:
                    if media_type in responses[status].get("content", {}):
                        responses[status]["content"][media_type]["schema"] = _BINARY
            if verb != "get":
                operation.setdefault("parameters", []).append(_KEY_PARAMETER)
    return whole
