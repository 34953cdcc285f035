"""A log line is one JSON document with whatever the request bound to it."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

WRITES = """
import logging, structlog
from uuid import UUID
from deploy import logs
logs.configure(log_format="json", level="info")
structlog.contextvars.bind_contextvars(request_id="r1", tenant=UUID(int=7), tier="rows")
structlog.get_logger("stepwell.any").info("something happened", place={1: b"x"})
logging.getLogger("some.library").warning("and %s", "more")
structlog.get_logger("stepwell.any").debug("too low")
logging.getLogger("uvicorn.access").info("too loud")
try:
    1 / 0
except ZeroDivisionError:
    structlog.get_logger("stepwell.any").exception("it failed")
"""


def test_every_line_has_the_request_its_tenant_and_its_tier() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITES], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    lines = [msgspec.json.decode(line, type=dict[str, object]) for line in done.stderr.splitlines()]
    assert [line["message"] for line in lines] == ["something happened", "and more", "it failed"]
    for line in lines:
        assert (line["request_id"], line["tier"]) == ("r1", "rows")
        assert line["tenant"] == "00000000-0000-0000-0000-000000000007"
        assert {"level", "logger", "timestamp"} <= line.keys()
    assert "ZeroDivisionError" in str(lines[-1]["exception"])


FAILS = """
import structlog, sys
from deploy import logs
logs.configure(log_format=sys.argv[1], level="info")
def fail(token):
    raise ValueError("it can't be")
try:
    fail("stw_s_" + "secret")
except ValueError:
    structlog.get_logger("stepwell.any").exception("it failed")
"""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_failure_is_told_with_its_lines_and_without_its_values(log_format: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FAILS, log_format], capture_output=True, text=True, check=True
    )
    assert "in fail" in done.stderr
    assert "stw_s_secret" not in done.stderr
