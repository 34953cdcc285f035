"""Revisions: what they may be, and how they reach every place."""

from __future__ import annotations
