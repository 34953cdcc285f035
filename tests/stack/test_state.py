from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.stack.errors import StateBusy, StateUnreadable, StateUnwritable
from deploy.stack.state import State, StateFolder
from tests.stack.worlds import (
    IS_ROOT,
    NOBODY,
    child_env,
    normal_user_env,
    normal_user_python,
    open_folder,
)


def _made(path: Path) -> StateFolder:
    folder = StateFolder(path)
    folder.make()
    folder.load()
    return folder


def test_only_the_owner_can_read_the_folder_and_its_secrets(tmp_path: Path) -> None:
    folder = _made(tmp_path / "state")
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(folder.file.stat().st_mode) == 0o600


def test_a_secret_is_made_once_and_differs_from_every_other(tmp_path: Path) -> None:
    first = _made(tmp_path / "state").secret("ops_token")
    folder = _made(tmp_path / "state")
    assert folder.secret("ops_token") == first
    assert folder.secret("secret_key") != first
    assert _made(tmp_path / "other").secret("ops_token") != first


def test_a_port_is_kept_between_runs_while_it_is_free(tmp_path: Path) -> None:
    folder = _made(tmp_path)
    port = folder.port("one")
    assert _made(tmp_path).port("one") == port
    with socket.socket() as taker:
        taker.bind(("127.0.0.1", port))
        taker.listen()
        assert folder.port("one") == port, "the part itself listens there now"
        assert _made(tmp_path).port("one") != port


def test_two_parts_never_get_one_port(tmp_path: Path) -> None:
    folder = _made(tmp_path)
    assert len({folder.port(f"part-{number}") for number in range(20)}) == 20


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"id": 7}', b"\xff\xfe", b"null"])
def test_a_damaged_record_is_a_sentence_that_names_the_file(tmp_path: Path, damage: bytes) -> None:
    folder = _made(tmp_path)
    folder.file.write_bytes(damage)
    with pytest.raises(StateUnreadable, match=r"is damaged .* put a copy of it back") as caught:
        folder.load()
    assert str(folder.file) in str(caught.value)


def test_a_lost_record_beside_data_is_not_replaced_by_new_passwords(tmp_path: Path) -> None:
    folder = _made(tmp_path)
    (tmp_path / "clusters" / "one").mkdir(parents=True)
    folder.file.unlink()
    with pytest.raises(StateUnreadable, match="is gone, and with it the passwords"):
        folder.load()


def test_a_record_of_a_newer_stepwell_is_left_alone(tmp_path: Path) -> None:
    folder = _made(tmp_path)
    folder.write(State(id="x", version=2))
    with pytest.raises(StateUnreadable, match="written by a newer Stepwell"):
        folder.load()


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    place = tmp_path / "state"
    place.write_text("a file", encoding="utf-8")
    for path in (place, place / "deeper"):
        with pytest.raises(StateUnwritable, match="name another"):
            StateFolder(path).make()
    assert place.read_text(encoding="utf-8") == "a file"


def test_a_folder_full_of_other_files_is_refused_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    tmp_path.chmod(0o755)
    with pytest.raises(StateUnwritable, match="files that aren't Stepwell's"):
        StateFolder(tmp_path).make()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert [place.name for place in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_made_is_a_sentence() -> None:
    with pytest.raises(StateUnwritable, match="/proc/stepwell can't be written"):
        StateFolder(Path("/proc/stepwell")).make()


def test_another_users_folder_is_a_sentence_for_every_command() -> None:
    python = normal_user_python()
    if not IS_ROOT or python is None:
        pytest.skip("needs root, and a Python that another user may run")
    words = """
import asyncio, sys
from pathlib import Path
from deploy.stack import control
from deploy.stack.errors import StackError
path = Path(sys.argv[1])
for command in (control.stop(path), control.status(path), control.start_detached(["x"], path)):
    try:
        asyncio.run(command)
    except StackError as error:
        print(error)
"""
    with open_folder() as outside:
        folder = _made(outside / "state")
        with folder.locked("up"):
            done = subprocess.run(
                [python, "-c", words, str(folder.path)],
                env=normal_user_env(),
                cwd="/",
                user=NOBODY,
                capture_output=True,
                text=True,
                check=False,
            )
    assert (done.returncode, done.stderr) == (0, "")
    reasons = ["read (Permission denied): its stack belongs to another user"] * 2
    reasons.append("written (Permission denied): name another folder with --state")
    assert done.stdout.splitlines() == [f"{folder.path} can't be {reason}" for reason in reasons]


def test_the_second_to_come_is_told_who_holds_the_folder(tmp_path: Path) -> None:
    folder = _made(tmp_path)
    words = (
        "import sys; from pathlib import Path; from deploy.stack.state import StateFolder\n"
        "with StateFolder(Path(sys.argv[1])).locked('up'): print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", words, str(tmp_path)],
        env={**os.environ, **child_env()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(StateBusy, match=rf"process {holder.pid} \(stepwell up\)") as caught:
            folder.locked("up").__enter__()
        assert f"stepwell down --state {tmp_path}" in str(caught.value)
        holder.kill()
    with folder.locked("up"):
        assert folder.load().id
