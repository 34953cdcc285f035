"""What a process has loaded is no work for its garbage collector any more."""

from __future__ import annotations

import subprocess
import sys

_LOOK = """
import gc
import deploy.app
from deploy.heap import freeze_heap
loaded = len(gc.get_objects())
freeze_heap()
print(loaded, len(gc.get_objects()))
"""


def test_what_a_gateway_has_loaded_is_looked_at_no_more() -> None:
    said = subprocess.run(
        [sys.executable, "-c", _LOOK], capture_output=True, text=True, check=True, timeout=60
    )
    loaded, looked_at = (int(word) for word in said.stdout.split())
    assert loaded > 100_000
    assert looked_at < loaded / 100
