"""No statement over tenants' tables asks for whatever columns there are: they change in a wave."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.worlds import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS = (
    "router",
    "pool_tier",
    "dedicated_tier",
    "promotion",
    "billing",
    "deploy",
    "web",
    "examples",
)
#: ``SELECT *``, ``RETURNING *`` and ``, t.*``, not ``count(*)``.
STAR = re.compile(r"\b(?:select|returning)\s+(?:\w+\.)?\*|,\s*\w+\.\*", re.IGNORECASE)
ALLOWED = {
    "router/catalog": "the catalog's tables, which change while nobody serves",
    "billing": "the catalog's tables too",
    "deploy/promoting.sql": "as above",
    "deploy/doctor": "what PostgreSQL says of tables, not what is in them",
    "promotion/applying.sql": "a move's two ends, which no wave touches until it is settled",
    "promotion/reading.sql": "rows of a list that the statement itself spells",
}


def sources() -> list[Path]:
    return [
        path
        for folder in FOLDERS
        for suffix in ("*.sql", "*.py")
        for path in sorted(ROOT.joinpath(folder).rglob(suffix))
    ]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_columns_are_asked_for_by_name() -> None:
    found = {name_of(path) for path in sources() if STAR.search(path.read_text(encoding="utf-8"))}
    assert found, "the catalog's own stars must be seen"
    assert [name for name in sorted(found) if not name.startswith(tuple(ALLOWED))] == []


@pytest.mark.parametrize(
    ("text", "is_star"),
    [
        ("SELECT * FROM note", True),
        ("select n.*, 1 FROM note AS n", True),
        ("INSERT INTO note DEFAULT VALUES RETURNING *", True),
        ("SELECT n.ctid, n.* FROM note AS n", True),
        ("SELECT count(*) FROM note", False),
        ("SELECT price * quantity FROM line", False),
    ],
)
def test_a_star_is_known_from_a_product(text: str, *, is_star: bool) -> None:
    assert (STAR.search(text) is not None) is is_star
