"""A small stack in the foreground, as `stepwell up` runs its own: the tests kill it and its parts.

`python -m tests.stack.foreground STATE [PART...]`; PART is postgres, valkey, sleeper, stubborn,
stubborn-slowly, broken or gone.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import msgspec

from deploy.stack.account import find_account
from deploy.stack.binaries import find_postgres, find_valkey
from deploy.stack.errors import StackError
from deploy.stack.parts import Part, postgres_part, process_part, valkey_part
from deploy.stack.postgres import postgres_cluster
from deploy.stack.processes import StopStep
from deploy.stack.state import Kind, StateFolder
from deploy.stack.supervisor import supervise
from deploy.stack.valkey import valkey_server

# The last word of a sleeper's command line is its stack's folder: that is how tests find it.
BRIEF = (StopStep(signal=signal.SIGTERM, limit_s=0.5),)
SLEEPER = (sys.executable, "-c", "import time; time.sleep(3600)")
# It ignores every polite signal, and so does its child, which has a session of its own.
DEAF = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGINT, signal.SIG_IGN)
words = "import time; time.sleep(3600)"
subprocess.Popen([sys.executable, "-c", words, *sys.argv[1:]], start_new_session=True)
print("deaf now", flush=True)
time.sleep(3600)
"""
STUBBORN = (sys.executable, "-c", DEAF)


async def part(folder: StateFolder, name: str) -> Part:
    match name.partition("-")[0]:
        case "postgres":
            cluster = await postgres_cluster(
                folder, name, binaries=find_postgres(), account=find_account()
            )
            return postgres_part(cluster)
        case "valkey":
            program = find_valkey()
            assert program is not None
            return valkey_part(valkey_server(folder, name, program=program), name=name)
        case "gone":
            return _worker(name, ("/nonexistent/program",))
        case "broken":
            return _worker(name, (sys.executable, "-c", "raise SystemExit('no luck today')"))
        case "stubborn":
            stubborn = _worker(name, (*STUBBORN, str(folder.path)))
            return msgspec.structs.replace(stubborn, stop=BRIEF) if name == "stubborn" else stubborn
        case _:
            return _worker(name, (*SLEEPER, str(folder.path)))


def _worker(name: str, argv: tuple[str, ...]) -> Part:
    address = "127.0.0.1:9" if name == "broken" else ""
    return process_part(name=name, kind=Kind.WORKER, argv=argv, address=address)


async def run(path: Path, names: list[str]) -> None:
    async with supervise(path, say=_say) as supervisor:
        for name in names:
            await supervisor.start(await part(supervisor.folder, name))
        supervisor.ready()
        await supervisor.wait()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is a command


def main() -> int:
    try:
        asyncio.run(run(Path(sys.argv[1]), sys.argv[2:]))
    except StackError as error:
        _say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
