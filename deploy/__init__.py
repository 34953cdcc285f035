"""The top floor: settings, processes, the command line and the embedded stack."""

from __future__ import annotations
