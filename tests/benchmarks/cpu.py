"""CPU time of other processes, from Linux's scheduler: nanoseconds, nothing sampled."""

from __future__ import annotations

from pathlib import Path

_PROC = Path("/proc")
IS_KNOWN = _PROC.joinpath("self", "schedstat").exists()


def cpu_ns(pid: int) -> int:
    """Return what all threads of a process have used; 0 for one that is gone."""
    used = 0
    for task in _PROC.joinpath(str(pid), "task").glob("*/schedstat"):
        try:
            used += int(task.read_text().split()[0])
        except OSError:
            continue
    return used


def resident_bytes(pid: int) -> int:
    """Return how much memory a process has of its own and shared, as the system counts it."""
    for line in _PROC.joinpath(str(pid), "status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


class Backends:
    """The client backends of some clusters; autovacuum and the like belong to no request."""

    def __init__(self, postmasters: list[int]) -> None:
        self._postmasters = postmasters
        self._is_client: dict[int, bool] = {}

    def pids(self) -> list[int]:
        """Return the backends that serve a connection now."""
        found = [child for parent in self._postmasters for child in _children(parent)]
        for pid in found:
            if pid not in self._is_client:
                self._is_client[pid] = _serves_client(pid)
        return [pid for pid in found if self._is_client[pid]]

    def cpu_ns(self) -> int:
        """Return what they have used since each of them began."""
        return sum(cpu_ns(pid) for pid in self.pids())


def postmaster(data: str) -> int:
    """Return the process id of a cluster's postmaster."""
    return int(Path(data, "postmaster.pid").read_text().splitlines()[0])


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in (_PROC / f"{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _serves_client(pid: int) -> bool:
    try:
        title = _PROC.joinpath(str(pid), "cmdline").read_bytes()
    except OSError:
        return False
    # A backend's title ends with the address of its client: `host(port) idle`.
    return b"127.0.0.1(" in title
