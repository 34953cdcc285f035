"""The one sheet: nothing in it that no page wears, and no page in what it doesn't know."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import pytest

from web.rendering import ASSETS

TEMPLATES = Path(str(files("web"))) / "templates"
#: What a page says in place of a word: `{{ kind }}`, `{% if … %}`.
DRAWN = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)
WORN = re.compile(r'\bclass="((?:[^"{]|\{\{.*?\}\}|\{%.*?%\})*)"', re.DOTALL)
QUOTED = re.compile(r"""["']([a-z][a-z0-9-]*(?: [a-z][a-z0-9-]*)*)["']""")
LINES_MAX = 700


@pytest.fixture(scope="module")
def sheet() -> str:
    said = (ASSETS / "stepwell.css").read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/", "", said, flags=re.DOTALL)


@pytest.fixture(scope="module")
def pages() -> str:
    return "\n".join(each.read_text(encoding="utf-8") for each in sorted(TEMPLATES.rglob("*.html")))


def known(sheet: str) -> set[str]:
    """Return the classes of all selectors."""
    selectors = re.findall(r"([^{}]+)\{", sheet)
    return {name for each in selectors for name in re.findall(r"\.([a-z][a-z0-9-]*)", each)}


def worn(pages: str) -> set[str]:
    """Return the classes that are written out, wherever one is."""
    return {name for each in WORN.findall(pages) for name in DRAWN.sub(" ", each).split()}


def drawn(pages: str) -> set[str]:
    """Return the words from which pages draw their classes."""
    inside = " ".join(DRAWN.findall(pages))
    return {name for each in QUOTED.findall(inside) for name in each.split()}


def beginnings(pages: str) -> tuple[str, ...]:
    """Return what classes begin with whose end is a number: `series-{{ loop.index }}`."""
    return tuple(re.findall(r"([a-z]+-)\{\{", " ".join(WORN.findall(pages))))


def test_no_class_of_the_sheet_is_worn_by_nobody(sheet: str, pages: str) -> None:
    idle = known(sheet) - worn(pages) - drawn(pages)
    assert sorted(each for each in idle if not each.startswith(beginnings(pages))) == []


def test_no_class_of_a_page_is_unknown_to_the_sheet(sheet: str, pages: str) -> None:
    endless = {each.rstrip("-") + "-" for each in beginnings(pages)}
    assert sorted(worn(pages) - known(sheet) - endless) == []


def test_a_class_that_nobody_wears_would_be_found(pages: str) -> None:
    assert known(".never-worn a:hover, b .other:is(.third) { color: red }") == {
        "never-worn",
        "other",
        "third",
    }
    assert "never-worn" not in worn(pages) | drawn(pages)
    assert worn('<p class="a {{ "b" if c else "d" }} e">') == {"a", "e"}
    assert {"b", "d"} <= drawn('<p class="a {{ "b" if c else "d" }} e">')


def test_each_name_that_the_sheet_gives_is_used(sheet: str) -> None:
    named = set(re.findall(r"(--[a-z-]+):", sheet))
    assert sorted(named - set(re.findall(r"var\((--[a-z-]+)\)", sheet))) == []
    assert set(re.findall(r"var\((--[a-z-]+)\)", sheet)) <= named


def test_dark_pages_have_a_colour_for_each_that_light_ones_have(sheet: str) -> None:
    light, dark = re.findall(r":root \{([^}]*)\}", sheet)[:2]
    colours = re.compile(r"(--[a-z-]+): #")
    assert sorted(colours.findall(light)) == sorted(colours.findall(dark))


def test_colours_are_named_and_not_spelled_where_they_are_used(sheet: str) -> None:
    rules = re.sub(r":root \{[^}]*\}", "", sheet)
    assert re.findall(r"#[0-9a-f]{3,8}\b(?![^{]*\{)", rules) == []


def test_the_sheet_asks_no_other_host_and_stays_small(sheet: str) -> None:
    assert "url(" not in sheet
    assert "@import" not in sheet
    assert sheet.count("\n") <= LINES_MAX


def test_no_page_has_a_style_or_a_script_of_its_own(pages: str) -> None:
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=\"|<script(?! src=)", pages) == []
