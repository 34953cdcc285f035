"""Every kind of operation with what does it: the worker's whole repertoire."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from deploy import provision
from router.catalog.runner import Runner, RunnerLimits

if TYPE_CHECKING:
    from deploy.platform import Platform


def make_runner(platform: Platform) -> Runner:
    """Make the runner of this process."""
    return Runner(
        platform.catalog,
        {provision.KIND: provision.Provision(platform)},
        name=f"{socket.gethostname()}:{os.getpid()}",
        limits=RunnerLimits(poll_s=platform.settings.worker_poll_s),
    )
