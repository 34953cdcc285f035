"""The reference says what the code does: every setting, error, command and route, no more."""

from __future__ import annotations

import re

import click

from deploy.settings import OTHER_VARIABLES, SETTINGS, Setting
from router.errors import PlatformError
from tests.house import pages, reference
from tests.house.sources import FLOORS, ROOT, every_python

ERRORS_PAGE = "docs/reference/errors.md"
SETTINGS_PAGE = "docs/reference/settings.md"


@click.group()
def planted() -> None:
    """Runs things."""


@planted.command()
@click.option("--wait", is_flag=True, help="Return when it is done.")
def start(*, wait: bool) -> None:
    """Starts a thing."""
    click.echo(wait)


@planted.command(hidden=True)
def secret() -> None:
    """Nobody's business."""


def test_every_error_is_on_its_page() -> None:
    assert (ROOT / ERRORS_PAGE).read_text() == reference.errors_page(PlatformError)


def test_no_two_errors_that_can_be_raised_share_a_code() -> None:
    codes = [error.code for error in reference.error_classes(PlatformError)]
    assert len(codes) == len(set(codes))


def test_a_code_is_the_name_of_its_class() -> None:
    wrong = [
        error.__name__
        for error in reference.error_classes(PlatformError)
        if error.code != re.sub(r"(?<!^)(?=[A-Z])", "_", error.__name__).lower()
    ]
    assert wrong == []


def test_a_status_is_one_that_a_caller_understands() -> None:
    known = {400, 401, 402, 403, 404, 409, 413, 415, 422, 428, 429, 500, 502, 503, 504}
    assert {error.status for error in reference.error_classes(PlatformError)} <= known


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn = (ROOT / "router/errors.py").read_text().split('"""')[1]
    names = re.findall(r"^ *[*+-] (\w+)", drawn, flags=re.MULTILINE)
    assert names == [error.__name__ for error in reference.error_classes(PlatformError)]


def test_a_setting_is_told_in_one_row() -> None:
    told = Setting(
        name="STEPWELL_X_S", meaning="How long\n to wait | or not", unit="s", default="5"
    )
    page = reference.settings_page([told])
    assert page.splitlines()[-1] == "| `STEPWELL_X_S` | How long to wait \\| or not | s | 5 |"


def test_a_command_is_told_as_the_command_line_tells_it() -> None:
    page = reference.cli_page(planted, "stepwell")
    assert "## stepwell start" in page
    assert "Return when it is done." in page
    assert "secret" not in page


def test_the_openapi_page_ends_like_every_text() -> None:
    assert reference.openapi_page({"b": 1, "a": {}}) == '{\n  "a": {},\n  "b": 1\n}\n'


def test_the_reference_is_what_the_code_says() -> None:
    assert pages.stale_pages() == [], "write them anew with `make reference`"


def test_every_setting_is_on_its_page() -> None:
    assert (ROOT / SETTINGS_PAGE).read_text() == reference.settings_page(SETTINGS)


def test_every_setting_has_a_meaning() -> None:
    assert [setting.name for setting in SETTINGS if len(setting.meaning.split()) < 3] == []


def test_every_setting_that_the_code_reads_is_known() -> None:
    known = {setting.name for setting in SETTINGS} | OTHER_VARIABLES
    read = {
        name
        for source in every_python()
        if source.path.parts[0] in FLOORS
        for name in re.findall(r"STEPWELL_[A-Z_]*[A-Z]", source.text)
    }
    assert read - known == set()
