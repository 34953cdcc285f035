"""The reference tells every rule as the code has it."""

from __future__ import annotations

import re

from deploy.doctor import RULES
from tests.doctor.page import PAGE, SCOPES, page


def test_the_page_is_what_the_rules_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(RULES)


def test_every_rule_is_told_under_its_scope() -> None:
    assert {rule.scope for rule in RULES} == set(SCOPES)
    assert re.findall(r"^\| `([\w-]+)`", page(RULES), re.MULTILINE) == sorted(
        (rule.name for rule in RULES),
        key=lambda name: [*SCOPES].index({r.name: r.scope for r in RULES}[name]),
    )


def test_no_two_rules_share_a_name() -> None:
    assert len({rule.name for rule in RULES}) == len(RULES) >= 24


def test_a_rule_is_named_in_kebab_case_and_ends_its_sentences() -> None:
    assert [rule.name for rule in RULES if not re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)] == []
    assert [rule.name for rule in RULES if rule.title.endswith(".")] == []
    told = [text for rule in RULES for text in (rule.danger, rule.remedy)]
    assert [text for text in told if not text.endswith(".") or "|" in text] == []
