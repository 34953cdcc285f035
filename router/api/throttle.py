"""The throttle in front of what could be guessed, and of what sends mail.

Three counts for each kind of try: of one source for one person, of all sources for that person, of
one source for everybody. The first is the tightest, so that whoever guesses locks itself out and
not the person; the person has passkeys and the mail besides.
"""

from __future__ import annotations

import hmac
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from router.catalog import attempts
from router.catalog.attempts import Attempt, AttemptRule
from router.errors import LimitReached

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.api.errand import Errand


class Tries(msgspec.Struct, frozen=True, kw_only=True):
    """How many tries of one kind a window has: for a person from one source, and from all."""

    kind: str
    pair_max: int
    person_max: int
    window: timedelta = timedelta(minutes=15)
    #: Whether each one sends a letter: then a source has fewer.
    is_mail: bool = False


LOG_IN: Final = Tries(kind="log-in", pair_max=10, person_max=50)
CODE: Final = Tries(kind="code", pair_max=10, person_max=20)
#: Of a source alone, as nobody is named: a whole office may be behind one. Nothing can be guessed.
PASSKEY: Final = Tries(kind="passkey", pair_max=300, person_max=300)
SLUG: Final = Tries(kind="slug", pair_max=60, person_max=60, window=timedelta(minutes=1))
#: Each takes a slug for ever, so nobody may collect them.
RESTORE: Final = Tries(kind="restore", pair_max=5, person_max=5, window=timedelta(days=1))
RENAME: Final = Tries(kind="rename", pair_max=5, person_max=5, window=timedelta(days=1))
DOMAIN: Final = Tries(kind="domain", pair_max=60, person_max=60, window=timedelta(minutes=1))
MAIL: Final = Tries(kind="mail", pair_max=5, person_max=10, window=timedelta(hours=1), is_mail=True)
#: Of one address, whoever invites it; and of one tenant, whomever it invites.
INVITED: Final = Tries(
    kind="invited", pair_max=10, person_max=10, window=timedelta(hours=1), is_mail=True
)
INVITING: Final = Tries(
    kind="inviting", pair_max=500, person_max=500, window=timedelta(hours=1), is_mail=True
)
SIGN_ON: Final = Tries(kind="sign-on", pair_max=20, person_max=200)


async def take(errand: Errand, tries: Tries, *, about: str) -> Sequence[Attempt]:
    """Count a try, or raise LimitReached; ``about`` names the person, known to us or not."""
    taken = _attempts(errand, tries, about)
    wait_s = await attempts.take(errand.parts.catalog, taken)
    if wait_s is not None:
        raise LimitReached(
            f"this was tried too often: wait {wait_s} seconds, then try again",
            retry_after_s=wait_s,
        )
    return taken


async def forgive(errand: Errand, taken: Sequence[Attempt]) -> None:
    """Take back a try that succeeded."""
    await attempts.forgive(errand.parts.catalog, taken)


def _attempts(errand: Errand, tries: Tries, about: str) -> list[Attempt]:
    limits, person = errand.parts.source_limits, about.strip().lower()
    source_max = limits.mails_max if tries.is_mail else limits.tries_max
    counted = (
        ("pair", tries.pair_max, f"{errand.source} {person}"),
        ("person", tries.person_max, person),
        ("source", source_max, errand.source),
    )
    return [
        Attempt(
            rule=AttemptRule(
                kind=f"{tries.kind} by {whose}", count_max=count_max, window=tries.window
            ),
            subject=_digest(errand, f"{tries.kind} {whose} {subject}"),
        )
        for whose, count_max, subject in counted
    ]


def _digest(errand: Errand, text: str) -> bytes:
    key = errand.parts.fingerprint_key
    return hmac.digest(key, text.encode("utf-8", "surrogatepass"), "sha256")
