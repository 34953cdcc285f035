"""Under which account PostgreSQL and PgBouncer run: both refuse to run as root.

As root the first choice is a user namespace in which root's files belong to `nobody`: no user is
made, no file changes its owner or mode. Where namespaces are refused (Docker's default profile),
the programs run as a real unprivileged user, from folders that this user can reach.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess

from msgspec import Struct

from deploy.stack.errors import BinariesMissing

NOBODY = 65534
NAMESPACE = ("unshare", "-U", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
PROBE_LIMIT_S = 5.0


class Account(Struct, frozen=True, kw_only=True):
    """How to start a program that refuses root: words before its argv, or another user id."""

    prefix: tuple[str, ...] = ()
    uid: int | None = None
    gid: int | None = None


def find_account() -> Account:
    """Choose by trying: whether namespaces are allowed can't be read anywhere."""
    if os.geteuid() != 0:
        return Account()
    unshare = shutil.which("unshare")
    if unshare is not None:
        prefix = (unshare, *NAMESPACE[1:])
        if _works(prefix):
            return Account(prefix=prefix)
    return unprivileged_account()


def unprivileged_account() -> Account:
    """Answer the user that PostgreSQL runs as when root can't make a user namespace."""
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(uid=entry.pw_uid, gid=entry.pw_gid)
    message = (
        "PostgreSQL refuses to run as root, user namespaces are refused here, and there is "
        "neither a user postgres nor a user nobody: run Stepwell as a normal user"
    )
    raise BinariesMissing(message)


def _works(prefix: tuple[str, ...]) -> bool:
    try:
        done = subprocess.run(
            [*prefix, "id", "-u"], capture_output=True, timeout=PROBE_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == str(NOBODY).encode()
