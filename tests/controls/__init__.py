"""Positive controls: a suite that finds nothing may be blind, so each one is shown holes."""

from __future__ import annotations
