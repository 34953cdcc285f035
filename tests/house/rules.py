"""The rules that no linter knows: each takes one file and names what it finds wrong.

Every rule is a function from a source to complaints, so that tests can plant what it must find.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.house.sources import Source

FILE_LINES_MAX = 700
FUNCTION_LINES_MAX = 70

Function = ast.FunctionDef | ast.AsyncFunctionDef

# One word, one meaning: these have many, so they say nothing about what carries them.
BANNED_IN_NAMES = {
    "bridge",
    "helper",
    "helpers",
    "manager",
    "managers",
    "service",
    "services",
    "silo",
    "util",
    "utils",
}
# Fine as a part of a value's name (base_domain); no name for a class or a module.
BANNED_FOR_PLACES = BANNED_IN_NAMES | {"base", "common", "core", "context"}
BANNED_IN_PROSE = BANNED_IN_NAMES
ALLOWED_NAMES = {
    "Base": "SQLAlchemy's documents call the class of all models so, and a product is theirs",
}
TIER_NAMED_WRONGLY = re.compile(
    r"\b(?:pool|pooled|shared|bridge|silo)(?:[ -]tier|_tier_\w+|[ -]?tenant[ -]model)\b"
    r"|\bTier\.(?:POOL|POOLED|BRIDGE|SILO|SHARED|DEDICATED)\b",
    re.IGNORECASE,
)
TENANCY_MOOD = re.compile(r"\b(?:current_tenant|tenant_?context|set_tenant)\b", re.IGNORECASE)

TYPE_IGNORE = re.compile(r"#\s*(?:type|pyright):\s*(?:ignore|basic|standard|off)")
TYPE_IGNORE_WITH_REASON = re.compile(r"# (?:type|pyright): ignore\[[\w, -]+\]  # \w.{5,}")
NOQA = re.compile(r"#\s*noqa\b", re.IGNORECASE)
NOQA_WITH_REASON = re.compile(r"# (?:ruff: )?noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)* - \w.{5,}")

# The brackets keep this file from holding what it looks for.
FOREIGN_PLACES = re.compile(
    r"(?<![\w.:}-])/(?:work|tmp|root|home|opt|Users)/"
    r"|py[p]i\.org|python[h]osted|registry\.[n]pmjs"
    r"|://[^\s\"']*/[s]imple\b|(?<!emit)-[i]ndex-url|--[f]ind-links"
)


def too_long(source: Source) -> Iterator[str]:
    if len(source.lines) > FILE_LINES_MAX:
        yield f"{source.path} has {len(source.lines)} lines"
    if source.is_generated:
        return
    for function in functions(source.tree):
        lines = body_lines(function)
        if lines > FUNCTION_LINES_MAX:
            yield f"{source.path}:{function.lineno} {function.name} has {lines} lines"


def banned_names(source: Source) -> Iterator[str]:
    for part in source.path.with_suffix("").parts:
        if _words(part) & BANNED_FOR_PLACES and part != "__init__":
            yield f"{source.path}: the path says {part!r}"
    for name, line, is_class in _defined(source.tree):
        banned = BANNED_FOR_PLACES if is_class else BANNED_IN_NAMES
        if _words(name) & banned and name not in ALLOWED_NAMES:
            yield f"{source.path}:{line} defines {name!r}"


def banned_prose(source: Source) -> Iterator[str]:
    """In documents, docstrings and comments alike: a word that is dead in code stays dead."""
    for number, line in enumerate(_prose(source), start=1):
        words = BANNED_IN_PROSE & set(re.findall(r"[a-z]+", line.lower()))
        if words:
            yield f"{source.path}:{number} says {', '.join(sorted(words))}"


def tiers_by_other_names(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.lines, start=1):
        if found := TIER_NAMED_WRONGLY.search(line) or TENANCY_MOOD.search(line):
            yield f"{source.path}:{number} says {found.group()!r}"


def imports_in_functions(source: Source) -> Iterator[str]:
    for function in functions(source.tree):
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield f"{source.path}:{node.lineno} imports inside {function.name}"


def missing_annotations(source: Source) -> Iterator[str]:
    for function in functions(source.tree):
        arguments = function.args
        named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
        starred = [star for star in (arguments.vararg, arguments.kwarg) if star]
        bare = [a.arg for a in [*named, *starred] if not a.annotation]
        bare = [name for name in bare if name not in {"self", "cls", "mcs"}]
        if bare or function.returns is None:
            yield f"{source.path}:{function.lineno} {function.name} lacks {bare or 'a return type'}"


def bare_exceptions_to_rules(source: Source) -> Iterator[str]:
    """A rule may be set aside where the line says which one and why."""
    for number, line in enumerate(source.lines, start=1):
        if TYPE_IGNORE.search(line) and not TYPE_IGNORE_WITH_REASON.search(line):
            yield f"{source.path}:{number} ignores a type without code and reason"
        if NOQA.search(line) and not NOQA_WITH_REASON.search(line):
            yield f"{source.path}:{number} silences ruff without code and reason"


def foreign_places(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.lines, start=1):
        if found := FOREIGN_PLACES.search(line):
            yield f"{source.path}:{number} names {found.group()!r}"


def says_tenant(source: Source) -> Iterator[str]:
    for number, line in enumerate(source.lines, start=1):
        if "tenant" in line.lower():
            yield f"{source.path}:{number} says {line.strip()!r}"


def mocks(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        match node:
            case ast.Import(names=names) if any("mock" in alias.name for alias in names):
                yield f"{source.path}:{node.lineno} imports a mock"
            case ast.ImportFrom(module=str(module)) if "mock" in module:
                yield f"{source.path}:{node.lineno} imports from {module}"
            case ast.arg(arg="mocker"):
                yield f"{source.path}:{node.lineno} asks for a mocker"
            case _:
                pass


def public_definitions(tree: ast.Module) -> Iterator[tuple[str, bool]]:
    """Each public class, function and method, and whether it has a docstring."""
    pending: list[ast.Module | ast.ClassDef] = [tree]
    while pending:
        for node in pending.pop().body:
            if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
                yield node.name, ast.get_docstring(node) is not None
                if isinstance(node, ast.ClassDef):
                    pending.append(node)


def functions(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def body_lines(function: Function) -> int:
    """Lines from `def` to the end, without the docstring."""
    assert function.end_lineno is not None, "parsed code knows where it ends"
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function) is not None:
        assert first.end_lineno is not None, "parsed code knows where it ends"
        lines -= first.end_lineno - first.lineno + 1
    return lines


def _words(name: str) -> set[str]:
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def _defined(tree: ast.Module) -> Iterator[tuple[str, int, bool]]:
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name):
                yield name, node.lineno, True
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.arg(arg=name):
                yield name, node.lineno, False
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno, False
            case _:
                pass


def _prose(source: Source) -> list[str]:
    if source.path.suffix == ".md":
        return source.lines
    lines = [line.partition("#")[2] for line in source.lines]
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Module | ast.ClassDef | Function):
            docstring = ast.get_docstring(node, clean=False) or ""
            for number, line in enumerate(docstring.splitlines(), start=_body_start(node)):
                lines[number] += " " + line
    return lines


def _body_start(node: ast.Module | ast.ClassDef | Function) -> int:
    return node.body[0].lineno - 1 if node.body else 0
