"""The catalog's revisions, in the order in which they were made."""

from __future__ import annotations
