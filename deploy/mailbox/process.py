"""The mailbox as a part of the embedded stack."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from deploy.stack.parts import Part, process_part
from deploy.stack.ports import LOOPBACK
from deploy.stack.state import Kind

if TYPE_CHECKING:
    from pathlib import Path


def mailbox_part(folder: Path, port: int, *, name: str = "mailbox") -> Part:
    """Describe the process."""
    return process_part(
        name=name,
        kind=Kind.MAILBOX,
        argv=(
            sys.executable,
            "-P",
            "-m",
            "deploy.mailbox",
            "--port",
            str(port),
            "--folder",
            str(folder),
        ),
        address=f"{LOOPBACK}:{port}",
    )
