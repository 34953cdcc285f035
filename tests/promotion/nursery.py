"""A process that bears workers: what takes a second to import is imported once.

It reads an environment a line, as JSON, and writes ``born PID``; then ``dead PID STATUS``, with the
status that waitpid(2) gave. A worker's words go to the file that STEPWELL_TEST_LOG names.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import traceback

import msgspec

from deploy.settings import load
from deploy.worker import work

LOG = "STEPWELL_TEST_LOG"


def main() -> None:
    signal.signal(signal.SIGCHLD, _reap)
    with os.fdopen(0, encoding="utf-8") as orders:
        for order in orders:
            _bear(msgspec.json.decode(order, type=dict[str, str]))


def _bear(environment: dict[str, str]) -> None:
    # Nobody hears of a death before the birth.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        _live(environment)
    _say(f"born {pid}")
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})


def _live(environment: dict[str, str]) -> None:
    status = 1
    try:
        log = os.open(environment.pop(LOG), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for number in (1, 2):
            os.dup2(log, number)
        work(load(environment))
        status = 0
    except Exception:  # noqa: BLE001 - its test reads why
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _reap(_: int, __: object) -> None:
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            _say(f"dead {ended[0]} {ended[1]}")


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main()
