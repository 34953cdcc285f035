"""The documents keep their size, their shape, and their promises to each other."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

from router.product import Product
from tests.house.sources import ROOT, Source, every_document

README_WORDS_MAX = 600
DECISION_LINES_MAX = 60
DECISION_PARTS = ["Problem", "Decision", "Consequences", "Alternatives", "Enforced by"]
DECISIONS = Path("docs/decisions")
LINK = re.compile(r"\]\((?!https?:|mailto:)(?P<target>[^)#\s]*)(?:#(?P<anchor>[^)\s]+))?\)")
UNFINISHED = re.compile(r"\b(?:TODO|TBD|FIXME|XXX|WIP|lorem ipsum|coming soon)\b", re.IGNORECASE)

README_EXAMPLE_IMPORTS = """
from litestar import get
from litestar.di import NamedDependency
from router.product import Product
from sqlalchemy import Identity, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase): ...
"""


def decisions() -> list[Source]:
    records = [d for d in every_document() if d.path.parent == DECISIONS]
    return [record for record in records if record.path.name != "README.md"]


def anchors(text: str) -> set[str]:
    """The names that a heading gets on the usual hosts: lower case, dashes, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    bare = [re.sub(r"[^\w\- ]", "", heading).strip().lower() for heading in headings]
    return {heading.replace(" ", "-") for heading in bare}


def broken_links(document: Source) -> list[str]:
    broken: list[str] = []
    for link in LINK.finditer(document.text):
        page = ROOT / document.path
        page = page.parent / link["target"] if link["target"] else page
        if not page.exists():
            broken.append(f"{document.path} → {link['target']}")
        elif link["anchor"] and link["anchor"] not in anchors(page.read_text()):
            broken.append(f"{document.path} → {link['target']}#{link['anchor']}")
    return broken


def test_the_readme_can_be_read_in_three_minutes() -> None:
    words = (ROOT / "README.md").read_text().split()
    assert len(words) < README_WORDS_MAX


@pytest.mark.parametrize("record", decisions(), ids=lambda record: record.path.stem)
def test_a_decision_is_short_and_complete(record: Source) -> None:
    assert re.fullmatch(r"\d{4}(-[a-z0-9]+)+\.md", record.path.name)
    assert len(record.lines) <= DECISION_LINES_MAX
    assert re.match(r"# \d+ · \S", record.lines[0]), "the first line is `# N · what was decided`"
    assert re.findall(r"^## (.+)$", record.text, flags=re.MULTILINE) == DECISION_PARTS


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = [int(record.path.name[:4]) for record in decisions()]
    assert numbers == list(range(1, len(numbers) + 1))


def test_the_list_of_decisions_is_complete() -> None:
    listed = (ROOT / DECISIONS / "README.md").read_text()
    assert [r.path.name for r in decisions() if f"]({r.path.name})" not in listed] == []


def test_no_link_leads_nowhere() -> None:
    assert [broken for document in every_document() for broken in broken_links(document)] == []


def test_a_link_that_leads_nowhere_is_found() -> None:
    page = Source(path=Path("docs/README.md"), text="[a](nowhere.md) [b](../README.md#nothing)")
    assert len(broken_links(page)) == 2


def test_every_page_can_be_reached_from_the_index() -> None:
    seen: set[Path] = set()
    pending = [Path("docs/README.md")]
    while pending:
        page = pending.pop()
        if page in seen or not (ROOT / page).is_file():
            continue
        seen.add(page)
        for link in LINK.finditer((ROOT / page).read_text()):
            target = (ROOT / page.parent / link["target"]).resolve()
            if link["target"] and target.suffix == ".md":
                pending.append(target.relative_to(ROOT))
    pages = {document.path for document in every_document() if document.path.parts[0] == "docs"}
    assert pages - seen == set()


def test_no_page_is_left_unfinished() -> None:
    found = [
        f"{document.path}:{number} {line}"
        for document in every_document()
        for number, line in enumerate(document.lines, start=1)
        if UNFINISHED.search(line)
    ]
    assert found == []


def test_the_changelog_knows_the_version_of_the_project() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"


def test_the_example_of_the_readme_is_a_product(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = (ROOT / "README.md").read_text()
    example = readme.split("```python\n")[1].split("```")[0]
    (tmp_path / "readme_example.py").write_text(README_EXAMPLE_IMPORTS + example)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    product = importlib.import_module("readme_example").product
    assert isinstance(product, Product)
    assert list(product.metadata.tables) == ["note"]
