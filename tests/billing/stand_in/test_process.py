"""The process: what it takes, what it refuses, where it listens."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.stack.ports import free_port
from deploy.stack.state import Kind
from deploy.stand_in.process import stand_in_part
from tests.billing.stand_in.running import ROOT, StandIn, stand_in
from tests.billing.stand_in.shop import connected


def _run(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "deploy.stand_in", *options],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("key", ["sk_live_abc", "rk_live_abc", "pk_test_abc", "secret"])
def test_only_a_test_key_will_do(tmp_path: Path, key: str) -> None:
    ended = _run("--port", "1", "--state", str(tmp_path / "s"), "--api-key", key)
    assert ended.returncode == 2
    assert "sk_test_" in ended.stderr
    assert key not in ended.stderr
    assert list(tmp_path.iterdir()) == []


def test_bad_options_are_one_sentence(tmp_path: Path) -> None:
    state, key = str(tmp_path / "s"), "sk_test_a"
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"no database" * 1_000)
    for options, status in (
        (("--port", "0", "--state", state, "--api-key", key), 2),
        (("--port", "9", "--state", state, "--api-key", key, "--webhook", "nowhere"), 2),
        (("--port", "9", "--state", str(tmp_path / "a" / "b"), "--api-key", key), 1),
        (("--port", "9", "--state", str(damaged), "--api-key", key), 1),
    ):
        ended = _run(*options)
        assert ended.returncode == status, ended.stderr
        assert "Traceback" not in ended.stderr


def test_it_listens_on_loopback_only(running: StandIn) -> None:
    port = int(running.url.rpartition(":")[2])
    listening = [
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path("/proc/net", table).read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    ]
    # 127.0.0.1, in the order in which this machine keeps its bytes.
    loopback = socket.inet_aton("127.0.0.1")
    spelled = (loopback[::-1] if sys.byteorder == "little" else loopback).hex().upper()
    assert listening == [f"{spelled}:{port:04X}"]


async def test_a_taken_port_is_refused(running: StandIn, tmp_path: Path) -> None:
    port = running.url.rpartition(":")[2]
    ended = _run("--port", port, "--state", str(tmp_path / "s"), "--api-key", "sk_test_a")
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr


async def test_new_customers_live_by_the_clock_that_was_set() -> None:
    async with stand_in() as running, connected(running) as client:
        clock = await running.clock_for_new_customers(1_700_000_000)
        first = await client.v1.customers.create_async({"name": "A"})
        assert (first.test_clock, first.created) == (clock, 1_700_000_000)
        await running.clock_for_new_customers(None)
        second = await client.v1.customers.create_async({"name": "B"})
        assert second.test_clock is None


def test_the_stack_keeps_its_secrets_off_the_command_line(tmp_path: Path) -> None:
    part = stand_in_part(tmp_path, free_port(), "sk_test_hidden", {"http://h/hook": "whsec_hidden"})
    assert part.kind is Kind.STRIPE
    assert "hidden" not in " ".join(part.argv)
    assert part.env["STAND_IN_API_KEY"] == "sk_test_hidden"
    assert part.env["STAND_IN_WEBHOOKS"] == "http://h/hook=whsec_hidden"
