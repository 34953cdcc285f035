"""The state folder: what one embedded stack keeps between runs, and the lock that guards it.

```
.stepwell/            mode 0700
  state.json          secrets, ports, the supervisor, the parts with pid and start time
  lock                held by the one `up` or `down` at work
  log/PART.log        what each part said
  clusters/ valkey/   the data
  run/                PostgreSQL's sockets
```
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from deploy.stack import ports
from deploy.stack.errors import StateBusy, StateUnreadable, StateUnwritable
from deploy.stack.probes import Probe
from deploy.stack.processes import Identity, StopStep, is_alive, myself

if TYPE_CHECKING:
    from collections.abc import Generator

DEFAULT_FOLDER = ".stepwell"
VERSION = 1
SECRET_BYTES = 32
LOG_BYTES_MAX = 10_000_000
# A socket's whole path must fit in sockaddr_un: 108 bytes on Linux, 104 elsewhere.
SOCKET_PATH_BYTES_MAX = 103
LONGEST_SOCKET_NAME = ".s.PGSQL.65535.lock"
# Where a real unprivileged user can reach the data of a stack that root runs.
OUTSIDE = Path("/var/lib/stepwell")


class Kind(StrEnum):
    """What a part is."""

    POSTGRES = "postgres"
    VALKEY = "valkey"
    PGBOUNCER = "pgbouncer"
    STRIPE = "stripe"
    MAILBOX = "mailbox"
    GATEWAY = "gateway"
    WORKER = "worker"


class Phase(StrEnum):
    """How far the supervisor has come; `failed` keeps its reason until the next start."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    FAILED = "failed"


class PartRecord(Struct, frozen=True, kw_only=True):
    """A part as another process sees it: how to recognise, ask and stop it."""

    name: str
    kind: Kind
    address: str
    probe: Probe
    stop: tuple[StopStep, ...]
    process: Identity | None = None
    restarts: int = 0
    problem: str | None = None


class State(Struct, frozen=True, kw_only=True):
    """The whole of state.json."""

    id: str
    version: int = VERSION
    phase: Phase = Phase.STOPPED
    reason: str | None = None
    supervisor: Identity | None = None
    secrets: dict[str, str] = {}
    ports: dict[str, int] = {}
    notes: dict[str, str] = {}
    sockets: str | None = None
    parts: tuple[PartRecord, ...] = ()


class Holder(Struct, frozen=True, kw_only=True):
    """Who holds the lock, and for what."""

    process: Identity
    doing: str


class StateFolder:
    """One state folder; only the holder of its lock may write."""

    def __init__(self, path: Path, *, outside: Path = OUTSIDE) -> None:
        self.path = path.absolute()
        self.outside = outside
        self.file = self.path / "state.json"
        self.logs = self.path / "log"
        self._settled_ports: set[str] = set()
        # While we hold the lock nobody else writes, and what we know outlives the file.
        self._held: State | None = None
        self._is_held = False

    # Reading and writing ------------------------------------------------------------------

    def make(self) -> None:
        """Make the folder where it is missing, readable to its owner alone."""
        try:
            if self.path.is_dir() and not self._is_ours():
                raise StateUnwritable(
                    f"{self.path} holds files that aren't Stepwell's: name another folder with "
                    "--state, an empty or a new one"
                )
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.chmod(0o700)
            self.logs.mkdir(exist_ok=True)
        except FileExistsError as error:
            message = f"{self.path} is a file, not a folder: name another one with --state"
            raise StateUnwritable(message) from error
        except OSError as error:
            raise self._unwritable(error) from error

    def _is_ours(self) -> bool:
        names = {place.name for place in self.path.iterdir()}
        return not names or not names.isdisjoint({"state.json", "lock", "log"})

    def was_used(self) -> bool:
        """Say whether a stack ever held this folder; raise where we may not look."""
        try:
            self.path.joinpath("lock").stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise self._unreadable(error) from error
        return True

    def read(self) -> State | None:
        """Answer what is recorded; None where no stack has ever been."""
        try:
            raw = self.file.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            state = msgspec.json.decode(raw, type=State)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            message = (
                f"{self.file} is damaged ({error}): put a copy of it back, because it holds the "
                f"passwords of the data beside it, or delete {self.path} to begin anew without it"
            )
            raise StateUnreadable(message) from error
        if state.version > VERSION:
            message = f"{self.file} was written by a newer Stepwell: use that one, or another state"
            raise StateUnreadable(message)
        return state

    def load(self) -> State:
        """Answer what is recorded, or begin a new record where there is no data yet."""
        if self._held is not None:
            return self._held
        state = self.read()
        if state is not None:
            self._held = state if self._is_held else None
            return state
        if any(self.path.glob("clusters/*")):
            message = (
                f"{self.file} is gone, and with it the passwords of the data beside it: put a "
                f"copy of it back, or delete {self.path} to begin anew without that data"
            )
            raise StateUnreadable(message)
        return self.write(State(id=secrets.token_hex(8)))

    def write(self, state: State) -> State:
        """Replace state.json in one step that survives `kill -9` and power loss."""
        self._held = state if self._is_held else None
        fresh = self.path / "state.json.new"
        try:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(state), indent=2))
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.file)
            sync_folder(self.path)
        except OSError as error:
            raise self._unwritable(error) from error
        return state

    def _unwritable(self, error: OSError) -> StateUnwritable:
        reason = error.strerror or str(error)
        return StateUnwritable(
            f"{self.path} can't be written ({reason}): name another folder with --state"
        )

    def _unreadable(self, error: OSError) -> StateUnreadable:
        return StateUnreadable(
            f"{self.path} can't be read ({error.strerror}): its stack belongs to another user"
        )

    # What is generated once ---------------------------------------------------------------

    def secret(self, name: str) -> str:
        """Answer the secret of this name, made at its first use and kept for ever."""
        state = self.load()
        if name not in state.secrets:
            made = {**state.secrets, name: secrets.token_urlsafe(SECRET_BYTES)}
            state = self.write(msgspec.structs.replace(state, secrets=made))
        return state.secrets[name]

    def port(self, name: str) -> int:
        """Answer the port of this part: last run's if it is still free, else a new one.

        It is settled at the first question: later the part itself listens there.
        """
        state = self.load()
        port = state.ports.get(name)
        if port is None or (name not in self._settled_ports and not ports.is_free(port)):
            port = ports.free_port(taken=state.ports.values())
            self.write(msgspec.structs.replace(state, ports={**state.ports, name: port}))
        self._settled_ports.add(name)
        return port

    def sockets(self, home: Path) -> Path | None:
        """Answer a folder for sockets whose paths are short enough; None where there is none."""
        near = home / "run"
        if _fits(near):
            near.mkdir(mode=0o700, exist_ok=True)
            return near
        state = self.load()
        if state.sockets is None or not Path(state.sockets).is_dir():
            made = tempfile.mkdtemp(prefix="stepwell-")
            state = self.write(msgspec.structs.replace(state, sockets=made))
        assert state.sockets is not None
        return Path(state.sockets) if _fits(Path(state.sockets)) else None

    def drop_sockets(self) -> None:
        """Remove the temporary socket folder of a stopped stack."""
        state = self.load()
        if state.sockets is not None:
            shutil.rmtree(state.sockets, ignore_errors=True)
            self.write(msgspec.structs.replace(state, sockets=None))

    def home(self, *, outside: bool) -> Path:
        """Answer where data lives: here, or where a real unprivileged user can reach it."""
        if not outside:
            return self.path
        home = self.outside / self.load().id
        try:
            home.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error
        return home

    # Logs ---------------------------------------------------------------------------------

    def log(self, part: str) -> Path:
        """Answer where a part's output goes."""
        return self.logs / f"{part}.log"

    def fresh_log(self, part: str) -> Path:
        """Answer the part's log, put aside first when it has grown too long."""
        log = self.log(part)
        with contextlib.suppress(FileNotFoundError):
            if log.stat().st_size > LOG_BYTES_MAX:
                log.replace(log.with_suffix(".log.1"))
        return log

    # The lock -----------------------------------------------------------------------------

    @contextlib.contextmanager
    def locked(self, doing: str) -> Generator[None]:
        """Hold the folder; the system lets go of it when we die, however that happens."""
        path = self.path / "lock"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise StateBusy(self._busy_message()) from error
            holder = msgspec.json.encode(Holder(process=myself(), doing=doing))
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, holder, 0)
            self._is_held = True
            yield
        finally:
            self._is_held, self._held = False, None
            os.close(descriptor)

    def holder(self) -> Holder | None:
        """Answer who said last that it holds the lock, if it still lives."""
        try:
            holder = msgspec.json.decode((self.path / "lock").read_bytes(), type=Holder)
        except (OSError, msgspec.DecodeError):
            return None
        return holder if is_alive(holder.process) else None

    def _busy_message(self) -> str:
        holder = self.holder()
        who = f"process {holder.process.pid} (stepwell {holder.doing})" if holder else "a process"
        return (
            f"{self.path} is in use by {who}: stop that stack with "
            f"`stepwell down --state {self.path}`, or name another folder with --state"
        )


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / LONGEST_SOCKET_NAME)) <= SOCKET_PATH_BYTES_MAX


def sync_folder(folder: Path) -> None:
    """Make a rename in this folder survive power loss."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
