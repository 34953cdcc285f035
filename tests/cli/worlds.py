"""The command line as people use it, on a real stack in a temporary folder."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path

import httpx
import msgspec

from tests.cli.teller import Done, Teller

ROOT = Path(__file__).parents[2]
STEPWELL = (sys.executable, "-P", "-m", "deploy.cli")
COMMAND_S_MAX = 100
#: A rotation of the gates' keys waits for routers without news: two seconds, instead of a minute.
IMPATIENT = {"STEPWELL_DIRECTORY_TIME_LIMIT_S": "2"}
TRACEBACK = "Traceback (most recent call last)"


class Part(msgspec.Struct, frozen=True):
    """One process of a stack, as `status --json` tells."""

    name: str
    kind: str
    pid: int | None
    address: str
    healthy: bool


class Login(msgspec.Struct, frozen=True):
    """A demo log-in, as `status --json` tells."""

    slug: str
    plan: str
    email: str
    password: str


class Seen(msgspec.Struct, frozen=True):
    """The part of `status --json` that these tests read."""

    phase: str
    parts: list[Part]
    urls: dict[str, str | None]
    demo: list[Login]

    def part(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)

    @property
    def gateways(self) -> list[str]:
        return [part.address for part in self.parts if part.kind == "gateway"]


class Stack:
    """One state folder, and the commands that work on it."""

    def __init__(self, teller: Teller, state: Path, *, cwd: Path = ROOT) -> None:
        self.teller = teller
        self.state = state
        self.cwd = cwd

    def ask(self, *words: str) -> Done:
        """Run a command in the process that runs many."""
        done = self.teller.run([*words], {"STEPWELL_STATE": str(self.state)})
        assert TRACEBACK not in done.err, done.err
        return done

    def run(self, *words: str, env: Mapping[str, str] | None = None) -> Done:
        """Run a command in a process of its own."""
        return run(*words, env={"STEPWELL_STATE": str(self.state), **(env or {})}, cwd=self.cwd)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Begin a command; the caller waits for its end."""
        return subprocess.Popen(
            [*STEPWELL, *words],
            env=clean_env({"STEPWELL_STATE": str(self.state), **IMPATIENT}),
            cwd=self.cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def status(self) -> Seen:
        return msgspec.json.decode(self.ask("status", "--json").out, type=Seen)

    def dsns(self) -> tuple[str, dict[str, str]]:
        """Return the administrators' addresses: the catalog's, and each cluster's."""
        dsn = self.ask("status", "--json").document()["dsn"]
        found = msgspec.convert(dsn, type=dict[str, str | dict[str, str]])
        return msgspec.convert((found["catalog"], found["clusters"]), tuple[str, dict[str, str]])

    def until(self, holds: Callable[[Seen], bool], *, limit_s: float = 40.0) -> Seen:
        """Look again and again until what is seen is as wished."""
        end = time.monotonic() + limit_s
        while not holds(seen := self.status()):
            assert time.monotonic() < end, seen
            time.sleep(0.1)
        return seen

    @contextlib.contextmanager
    def call(self, slug: str, *, gateway: int = 0) -> Generator[httpx.Client]:
        """Lend a client that has logged in as the owner of a demo tenant."""
        seen = self.status()
        login = next(login for login in seen.demo if login.slug == slug)
        with httpx.Client(base_url=f"http://{seen.gateways[gateway]}", timeout=20) as client:
            body = {"email": login.email, "password": login.password}
            answer = client.post("/api/login", json=body).raise_for_status()
            token = answer.json()["token"]
            client.headers.update({"Authorization": f"Bearer {token}", "X-Tenant": slug})
            yield client


def run(*words: str, env: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Done:
    """Run a command to its end; one that shows a traceback fails here."""
    done = subprocess.run(
        [*STEPWELL, *words],
        env=clean_env(env or {}),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=COMMAND_S_MAX,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert TRACEBACK not in done.stderr, done.stderr
    return Done(status=done.returncode, out=done.stdout, err=done.stderr)


@contextlib.contextmanager
def running(stack: Stack, *words: str) -> Generator[Stack]:
    """Run a stack in the background, and leave nothing of it."""
    done = stack.run("up", "--detach", "--port", "0", *words, env=IMPATIENT)
    try:
        assert done.status == 0, done.err
        yield stack
    finally:
        stack.run("down")


@contextlib.contextmanager
def telling(*, cwd: Path = ROOT) -> Generator[Teller]:
    """Run the process that runs many commands."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cli.teller"],
        env=clean_env({"PYTHONPATH": str(ROOT)}),
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        try:
            yield Teller(process)
        finally:
            process.kill()


def clean_env(added: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STEPWELL_")}
    binaries = {name: value for name, value in os.environ.items() if name.endswith("_BIN")}
    return {**kept, **binaries, **added}
