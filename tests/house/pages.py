"""The pages of docs/reference that are written from the code: `make reference` writes them anew."""

from __future__ import annotations

import argparse
from pathlib import Path

from deploy.app import openapi_document
from deploy.cli import main as stepwell
from deploy.settings import SETTINGS
from router.errors import PlatformError
from tests.house import reference
from tests.house.sources import ROOT

FOLDER = Path("docs/reference")


def pages() -> dict[Path, str]:
    return {
        FOLDER / "settings.md": reference.settings_page(SETTINGS),
        FOLDER / "errors.md": reference.errors_page(PlatformError),
        FOLDER / "cli.md": reference.cli_page(stepwell, "stepwell"),
        FOLDER / "openapi.json": reference.openapi_page(openapi_document()),
    }


def stale_pages() -> list[Path]:
    return [path for path, text in pages().items() if _written(path) != text]


def write_pages() -> list[Path]:
    """Write what differs, and name it."""
    stale = stale_pages()
    for path in stale:
        (ROOT / path).write_text(pages()[path], encoding="utf-8")
    return stale


def _written(path: Path) -> str | None:
    page = ROOT / path
    return page.read_text(encoding="utf-8") if page.exists() else None


def run() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.house.pages", description=__doc__)
    parser.add_argument("--write", action="store_true", help="write the pages that are stale")
    stale = write_pages() if parser.parse_args().write else stale_pages()
    raise SystemExit("\n".join(str(path) for path in stale) or None)


if __name__ == "__main__":
    run()
