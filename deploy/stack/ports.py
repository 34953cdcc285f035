"""Loopback ports for the stack's parts, outside the range from which the system lends its own."""

from __future__ import annotations

import random
import socket
from typing import TYPE_CHECKING

from deploy.stack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Collection

LOOPBACK = "127.0.0.1"
# Above: the system's ephemeral ports, where an outgoing connection could take a part's port away
# between two of its runs.
PORT_MIN = 15_000
PORT_MAX = 30_000
ATTEMPTS_MAX = 200


def is_free(port: int) -> bool:
    """Say whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(taken: Collection[int] = ()) -> int:
    """Choose a free port at random, so that two stacks that start together rarely meet."""
    for _ in range(ATTEMPTS_MAX):
        port = random.randrange(PORT_MIN, PORT_MAX)  # noqa: S311 - no secret
        if port not in taken and is_free(port):
            return port
    message = f"no free loopback port between {PORT_MIN} and {PORT_MAX}: stop some servers"
    raise StackError(message)
