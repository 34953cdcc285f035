"""A workspace that somebody wants who proves an address first: the browser keeps it meanwhile."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import msgspec

from router.api.signup import DEFAULT_PLAN
from router.catalog.proofs import PROOF_LIFE
from web.visitor import cookie, gone

if TYPE_CHECKING:
    from litestar import Request
    from litestar.response import Redirect

_COOKIE: Final = "__Host-stepwell-wish"
_LENGTH_MAX: Final = 2_000


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the form of a new workspace is filled in with."""

    name: str
    slug: str = ""
    plan: str = DEFAULT_PLAN

    @property
    def path(self) -> str:
        """Where the workspace is made."""
        return "/onboarding/workspace?" + urlencode(msgspec.structs.asdict(self))


def wishing(answer: Redirect, wish: Wish) -> Redirect:
    """Keep a wish for as long as the letter is good; one that is too long is typed again."""
    spelled = base64.urlsafe_b64encode(msgspec.json.encode(wish)).decode()
    if len(spelled) <= _LENGTH_MAX:
        answer.set_cookie(cookie(_COOKIE, spelled, int(PROOF_LIFE.total_seconds())))
    return answer


def wish_of(request: Request[Any, Any, Any]) -> Wish | None:
    """Read what the browser kept; what can't be read is no wish."""
    try:
        return msgspec.json.decode(
            base64.urlsafe_b64decode(request.cookies.get(_COOKIE, "")), type=Wish
        )
    except (msgspec.MsgspecError, binascii.Error, ValueError):
        return None


def granted(answer: Redirect) -> Redirect:
    """Forget the wish."""
    answer.set_cookie(gone(_COOKIE))
    return answer
