"""What two canaries saw in the shared tables of one database."""

from __future__ import annotations

import msgspec


class CanarySeen(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that another tenant reached, as ``role``; ``how`` is seen, changed or forged."""

    relation: str
    role: str
    how: str


class Canaries(msgspec.Struct, frozen=True, kw_only=True):
    """One look: ``tables`` and ``views`` that were tried as each of ``roles``.

    ``unmarked`` are tables that took no canary's row, each with why: there only the rows that
    tenants have could give a hole away. ``untried`` are roles that our administrator may not take.
    """

    tables: int
    views: int
    roles: tuple[str, ...]
    marked: int
    unmarked: tuple[str, ...] = ()
    untried: tuple[str, ...] = ()
    seen: tuple[CanarySeen, ...] = ()
