"""Revisions: the catalog's own, and the product's over every placement."""

from __future__ import annotations
