"""The oldest versions of PostgreSQL and PgBouncer without a known hole that matters here."""

from __future__ import annotations

import re

SERVER_MAJOR_MIN = 15
#: What ``server_version_num`` must reach, for each major version that had the fixes.
SERVER_FLOORS = {15: 150019, 16: 160015, 17: 170011, 18: 180006}
POOLER_FLOOR = (1, 26, 1)


def is_supported(server: int) -> bool:
    """Tell whether the stored form and the rules work on a server at all."""
    return server // 10_000 >= SERVER_MAJOR_MIN


def has_fixes(server: int) -> bool:
    """Tell whether a server's minor version has every fix that we know of."""
    return server >= SERVER_FLOORS.get(server // 10_000, 0)


def floor_of(server: int) -> str:
    """Spell the minor version that a server should have."""
    floor = SERVER_FLOORS[server // 10_000]
    return f"{floor // 10_000}.{floor % 10_000}"


def pooler_has_fixes(told: str) -> bool:
    """Read ``PgBouncer 1.18.0``; what can't be read is older than everything."""
    match = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", told)
    return match is not None and tuple(int(part or 0) for part in match.groups()) >= POOLER_FLOOR
