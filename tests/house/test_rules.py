"""The house keeps its own rules, and each rule finds what was planted for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.house import rules
from tests.house.sources import FLOORS, Source, every_document, every_python, every_text, python

Rule = Callable[[Source], Iterator[str]]

PUBLIC_DOCSTRING_SHARE_MIN = 0.8
TYPE_IGNORES_PER_KLOC_MAX = 0.5
# The rules and their planted offences are the one place that must say the words.
SPEAKS_OF_RULES = {Path("tests/house/rules.py"), Path("tests/house/test_rules.py")}
# Conversation with the outside world, where a foreign name must be called by its name.
PROSE_ALLOWED = {
    Path("docs/explanation/words.md"): "lists the words that are not used",
}

PYTHON_RULES: list[Rule] = [
    rules.too_long,
    rules.banned_names,
    rules.banned_prose,
    rules.tiers_by_other_names,
    rules.imports_in_functions,
    rules.missing_annotations,
    rules.bare_exceptions_to_rules,
    rules.mocks,
]

LONG_FUNCTION = "def f() -> None:\n" + "    x = 1\n" * 70
PLANTED: list[tuple[Rule, str]] = [
    (rules.too_long, "\n" * 701),
    (rules.too_long, LONG_FUNCTION),
    (rules.banned_names, "class TenantManager: ..."),
    (rules.banned_names, "def move_helper() -> None: ..."),
    (rules.banned_names, "billing_service = 1"),
    (rules.banned_names, "class Core: ..."),
    (rules.banned_names, "def f(http_utils: int) -> None: ..."),
    (rules.banned_prose, "# the tenant manager\n"),
    (rules.banned_prose, '"""Moves rows.\n\nWith a helper.\n"""\n'),
    (rules.tiers_by_other_names, "tier = Tier.POOL"),
    (rules.tiers_by_other_names, "# a row of the pool tier"),
    (rules.tiers_by_other_names, "current_tenant = 1"),
    (rules.imports_in_functions, "def f() -> None:\n    import os\n"),
    (
        rules.imports_in_functions,
        "async def f() -> None:\n    if 1:\n        from os import path\n",
    ),
    (rules.missing_annotations, "def f(a: int): ..."),
    (rules.missing_annotations, "def f(*, a) -> None: ..."),
    (rules.bare_exceptions_to_rules, "x = 1  # type: ignore"),
    (rules.bare_exceptions_to_rules, "x = 1  # type: ignore[misc]"),
    (rules.bare_exceptions_to_rules, "# pyright: basic"),
    (rules.bare_exceptions_to_rules, "x = 1  # noqa"),
    (rules.bare_exceptions_to_rules, "x = 1  # noqa: S608"),
    (rules.mocks, "from unittest.mock import patch"),
    (rules.mocks, "def f(mocker: object) -> None: ..."),
    (rules.foreign_places, "cd /" + "work/main"),
    (rules.foreign_places, "open('/" + "tmp/x')"),
    (rules.foreign_places, "https://py" + "pi.org/x"),
    (rules.foreign_places, "pip install --extra-index-" + "url x"),
    (rules.says_tenant, "x = TENANT_ID"),
]
INNOCENT = '''
"""A pool of connections lends one; PgBouncer's pools do too."""

base_domain = "localhost"
x = 1  # noqa: S608 - no value comes from outside
y = x  # type: ignore[misc]  # the library leaves this untyped
where = "usr/lib/postgresql", "{state}/tmp/x"


def f(self: int, *args: int) -> None:
    """Says little."""
'''


def complaints(sources: list[Source], *demands: Rule) -> list[str]:
    wanted = [source for source in sources if source.path not in SPEAKS_OF_RULES]
    return [found for rule in demands for source in wanted for found in rule(source)]


@pytest.mark.parametrize(
    ("rule", "text"), PLANTED, ids=lambda value: getattr(value, "__name__", "")
)
def test_each_rule_finds_what_was_planted_for_it(rule: Rule, text: str) -> None:
    assert list(rule(python(text)))


@pytest.mark.parametrize("rule", [*PYTHON_RULES, rules.foreign_places, rules.says_tenant])
def test_innocent_code_passes_every_rule(rule: Rule) -> None:
    assert list(rule(python(INNOCENT))) == []


def test_a_banned_word_is_found_in_a_path() -> None:
    assert list(rules.banned_names(python("", "router/utils/x.py")))
    assert list(rules.banned_names(python("", "deploy/tenant_manager.py")))


@pytest.mark.parametrize("rule", PYTHON_RULES)
def test_no_python_file_breaks_the_rule(rule: Rule) -> None:
    assert complaints(every_python(), rule) == []


def test_no_document_uses_a_banned_word() -> None:
    documents = [source for source in every_document() if source.path not in PROSE_ALLOWED]
    assert complaints(documents, rules.banned_prose, rules.tiers_by_other_names) == []


def test_every_allowed_document_exists() -> None:
    assert PROSE_ALLOWED.keys() <= {source.path for source in every_document()}


def test_no_file_names_a_place_of_one_machine_or_an_index() -> None:
    assert complaints(every_text(), rules.foreign_places) == []


def test_no_product_says_tenant() -> None:
    products = [source for source in every_text() if source.path.parts[0] == "examples"]
    written = [source for source in products if not source.is_generated]
    assert {source.path.parts[1] for source in written} >= {"notes", "store"}
    assert complaints(written, rules.says_tenant) == []


def test_most_of_what_is_public_says_more_than_its_signature() -> None:
    ours = [source for source in every_python() if source.path.parts[0] in FLOORS]
    public = [
        (f"{source.path}: {name}", documented)
        for source in ours
        for name, documented in rules.public_definitions(source.tree)
    ]
    bare = [name for name, documented in public if not documented]
    share = 1 - len(bare) / len(public)
    assert share >= PUBLIC_DOCSTRING_SHARE_MIN, f"{share:.0%}; without: " + "\n".join(bare)


def test_types_are_ignored_in_less_than_one_line_of_two_thousand() -> None:
    sources = [source for source in every_python() if source.path not in SPEAKS_OF_RULES]
    ignored = [
        f"{source.path}:{number}"
        for source in sources
        for number, line in enumerate(source.lines, start=1)
        if rules.TYPE_IGNORE.search(line)
    ]
    lines = sum(len(source.lines) for source in sources)
    assert len(ignored) <= TYPE_IGNORES_PER_KLOC_MAX * lines / 1000, ignored
