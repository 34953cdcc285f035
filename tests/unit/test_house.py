"""Somebody else's package of the same name is never run in place of ours."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from deploy.house import check_packages

if TYPE_CHECKING:
    from pathlib import Path

_PROGRAM = """
import sys
from deploy.house import check_packages
sys.path.insert(0, sys.argv[1])
for name in [each for each in sys.modules if each.split(".")[0] == "billing"]:
    del sys.modules[name]
try:
    check_packages()
except Exception as error:
    print(error)
"""


def test_our_packages_are_our_files() -> None:
    check_packages()


def test_a_package_that_hides_one_of_ours_is_named(tmp_path: Path) -> None:
    hiding = tmp_path / "billing"
    hiding.mkdir()
    hiding.joinpath("__init__.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "'billing' of Stepwell is hidden by" in done.stdout
    assert str(hiding) in done.stdout
