"""The embedded stack: PostgreSQL, Valkey and our own processes, supervised without Docker or root.

Read supervisor.py first: it says in six lines how a stack is started. control.py is the stack seen
from another process, state.py what it keeps between runs, parts.py what can be run.
"""

from __future__ import annotations
