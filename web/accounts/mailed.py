"""What a letter's link brings: a token, which leaves the address bar before anything is shown.

The link's own request puts it into a cookie of this host and goes on without it: what a page loads,
where it leads, and what the browser remembers has no token in it. Whoever only fetches links, as
mail scanners do, uses nothing up: that takes a form.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from litestar.params import QueryParameter

from router.catalog import tokens
from web.visitor import Visitor, cookie, gone

if TYPE_CHECKING:
    from litestar import Request
    from litestar.response import Redirect

    from web.form import Form

TOKEN_FIELD: Final = "token"  # noqa: S105 - a name
#: As long as a proof is good; an invitation's link can be opened again.
TOKEN_S_MAX: Final = 1_800
_COOKIE: Final = "__Host-stepwell-mailed"

Token = Annotated[str, QueryParameter(name="token", max_length=200)]


def take_along(visitor: Visitor, token: str) -> Redirect:
    """Go on to the same page without the token."""
    answer, token = visitor.to(visitor.path), token.strip()
    if _could_be(token):
        answer.set_cookie(cookie(_COOKIE, token, TOKEN_S_MAX))
    return answer


def token_of(request: Request[Any, Any, Any], form: Form | None = None) -> str:
    """Return the token: a form's own, for two tabs may have two; else what was taken along."""
    token = "" if form is None else form.text(TOKEN_FIELD)
    token = token or request.cookies.get(_COOKIE, "")
    return token if _could_be(token) else ""


def used_up(answer: Redirect) -> Redirect:
    """Forget the token."""
    answer.set_cookie(gone(_COOKIE))
    return answer


def _could_be(token: str) -> bool:
    return tokens.is_proof(token) or tokens.is_invitation(token)
