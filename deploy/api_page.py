"""The page at /docs: every operation of the OpenAPI document, plain and without any script."""

from __future__ import annotations

from html import escape
from typing import Any

from litestar import MediaType, Request, Response, get

_CSP = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #bbb }
article { margin: 1rem 0 1.5rem }
code { font: 15px ui-monospace, monospace; overflow-wrap: anywhere }
.verb { display: inline-block; min-width: 4.5rem; font-weight: 700 }
p, ul { margin: .25rem 0 }
@media (prefers-color-scheme: dark) { body { background: #111; color: #eee } a { color: #9cf } }
"""
_VERBS = ("get", "post", "put", "patch", "delete")


@get("/docs", include_in_schema=False, media_type=MediaType.HTML, sync_to_thread=False)
def api_page(request: Request[Any, Any, Any]) -> Response[str]:
    """Show what can be called."""
    return Response(
        render(request.app.openapi_schema.to_schema()),
        media_type=MediaType.HTML,
        headers={"Content-Security-Policy": _CSP, "X-Content-Type-Options": "nosniff"},
    )


def render(document: dict[str, Any]) -> str:
    """Write the page of an OpenAPI document."""
    title = escape(str(document["info"]["title"]))
    groups: dict[str, list[str]] = {}
    for path, item in sorted(document["paths"].items()):
        for verb in _VERBS:
            if verb in item:
                tag = next(iter(item[verb].get("tags", [])), "other")
                groups.setdefault(tag, []).append(_operation(verb, path, item[verb]))
    sections = "".join(
        f"<section><h2>{escape(tag)}</h2>{''.join(groups[tag])}</section>" for tag in sorted(groups)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><h1>{title} API</h1>"
        '<p>For programs: <a href="/openapi.json">openapi.json</a>. Send '
        "<code>Authorization: Bearer …</code> with a token or an API key. Errors are "
        "<code>application/problem+json</code>.</p>"
        f"<main>{sections}</main></body></html>"
    )


def _operation(verb: str, path: str, operation: dict[str, Any]) -> str:
    parameters = "".join(_parameter(each) for each in operation.get("parameters", []))
    answers = ", ".join(sorted(operation.get("responses", {})))
    return (
        f'<article><p><span class="verb">{verb.upper()}</span> <code>{escape(path)}</code></p>'
        f"<p>{escape(str(operation.get('summary', '')))}</p>"
        f"<p>{escape(str(operation.get('description', '')))}</p>"
        f"<ul>{parameters}{_body(operation)}</ul><p>Answers: {escape(answers)}</p></article>"
    )


def _parameter(parameter: dict[str, Any]) -> str:
    need = "" if parameter.get("required") else ", optional"
    told = escape(str(parameter.get("description", "")))
    name, place = escape(str(parameter["name"])), escape(str(parameter["in"]))
    return f"<li><code>{name}</code> ({place}{need}) {told}</li>"


def _body(operation: dict[str, Any]) -> str:
    content: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    kinds = [
        f"<li>body: <code>{escape(kind)}</code> {escape(_schema_name(content[kind]))}</li>"
        for kind in sorted(content)
    ]
    return "".join(kinds)


def _schema_name(content: dict[str, Any]) -> str:
    return str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]
