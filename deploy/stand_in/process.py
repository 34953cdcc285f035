"""The stand-in as a part of the embedded stack."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.stack.parts import Part, process_part
from deploy.stack.ports import LOOPBACK
from deploy.stack.state import Kind


def stand_in_part(
    folder: Path, port: int, api_key: str, webhooks: Mapping[str, str], *, name: str = "stripe"
) -> Part:
    """Describe the process; ``webhooks`` maps each endpoint's address to its secret."""
    return process_part(
        name=name,
        kind=Kind.STRIPE,
        argv=(
            sys.executable,
            "-P",
            "-m",
            "deploy.stand_in",
            "--port",
            str(port),
            "--state",
            str(folder / "stripe.sqlite"),
        ),
        # Not on the command line, which every user of the machine can read.
        env={
            "STAND_IN_API_KEY": api_key,
            "STAND_IN_WEBHOOKS": " ".join(f"{url}={secret}" for url, secret in webhooks.items()),
        },
        address=f"{LOOPBACK}:{port}",
        health_url=f"http://{LOOPBACK}:{port}/_stand_in/health",
    )
