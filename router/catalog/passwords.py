"""Passwords, hashed with argon2id on a few threads: each one takes 19 MiB and tens of milliseconds.

Whoever floods the log-in fills the queue and gets 503; the process's memory stays bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from router.errors import Overloaded, Unprocessable

if TYPE_CHECKING:
    from collections.abc import Callable

AnswerT = TypeVar("AnswerT")
PASSWORD_CHARACTERS_MIN = 10
PASSWORD_CHARACTERS_MAX = 200
PASSWORD_BYTES_MAX = 800


class PasswordLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of one hash (OWASP's minimum for argon2id), and how many may be in hand."""

    memory_kib: int = 19 * 1024
    passes: int = 2
    lanes: int = 1
    threads: int = 2
    waiting_max: int = 40


class Passwords:
    """Hashes and verifies; one for each process."""

    def __init__(self, limits: PasswordLimits | None = None) -> None:
        self._limits = limits or PasswordLimits()
        self._hasher = PasswordHasher(
            time_cost=self._limits.passes,
            memory_cost=self._limits.memory_kib,
            parallelism=self._limits.lanes,
        )
        self._threads = ThreadPoolExecutor(self._limits.threads, thread_name_prefix="passwords")
        self._in_hand = 0
        # What an unknown account's password is verified against, so that it takes as long.
        self._decoy = self._hasher.hash(secrets.token_hex())

    def close(self) -> None:
        """Let the threads end."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def hash(self, password: str) -> str:
        """Hash a password for storage; raises Unprocessable when it can't be one."""
        checked = check_password(password)
        return await self._work(lambda: self._hasher.hash(checked))

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Tell whether the password fits; just as slowly when there is no hash to compare with."""
        try:
            checked = check_password(password)
        except Unprocessable:
            checked, password_hash = "", None
        fits = await self._work(lambda: self._fits(password_hash or self._decoy, checked))
        return fits and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Tell whether a hash was made at another cost than today's."""
        return self._hasher.check_needs_rehash(password_hash)

    def _fits(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _work(self, work: Callable[[], AnswerT]) -> AnswerT:
        if self._in_hand >= self._limits.threads + self._limits.waiting_max:
            raise Overloaded("too many people log in at this moment; try again")
        self._in_hand += 1
        future = self._threads.submit(work)
        loop = asyncio.get_running_loop()
        # A thread can't be stopped: one whose caller gave up is in hand until it ends.
        future.add_done_callback(lambda _: _tell(loop, self._put_down))
        return await asyncio.wrap_future(future)

    def _put_down(self) -> None:
        self._in_hand -= 1


def check_password(password: str, *, field: str = "password") -> str:
    """Return the password as it is hashed: one spelling for what looks the same.

    ``field`` is where the request has it, for what is said of a wrong one.
    """
    if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
        raise Unprocessable(
            f"the password must have {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} "
            "characters",
            field=field,
        )
    normal = unicodedata.normalize("NFKC", password)
    try:
        if len(normal.encode()) <= PASSWORD_BYTES_MAX:
            return normal
    except UnicodeEncodeError:
        raise Unprocessable("the password holds what is no character", field=field) from None
    raise Unprocessable(
        f"the password must have at most {PASSWORD_BYTES_MAX} bytes in UTF-8", field=field
    )


def _tell(loop: asyncio.AbstractEventLoop, told: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended: there is nobody to tell
        loop.call_soon_threadsafe(told)
