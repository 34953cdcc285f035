"""Trying single sign-on out: to the provider and back in a window of its own, and what was seen."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath
from litestar.response import Redirect, Template

from router.api.sso import SignOnShown
from router.api.sso_trials import TrialStarted
from router.catalog.sign_on import Trial
from router.names import is_slug
from router.oidc import LEEWAY_S
from web.api import Refused
from web.form import EMPTY
from web.visitor import Visitor, cookie, gone
from web.workspace.security import page

if TYPE_CHECKING:
    from collections.abc import Mapping

#: The browser's own half, and whose trial it is.
_COOKIE: Final = "__Host-stepwell-sso-trial"
_S_MAX: Final = 600
_PARTS: Final = 3
#: Less than this is the time that the token was on its way.
_SKEW_S_MIN: Final = 2.0

STEPS: Final[Mapping[str, str]] = {
    "provider": "The provider's addresses",
    "log-in": "The log-in there",
    "code": "The code",
    "signature": "The signature",
    "claims": "What the token says",
    "domain": "The e-mail domain",
    "person": "The person here",
}


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A trial that is under way in this browser."""

    slug: str
    state: str
    browser: str


@post("/w/{slug:str}/security/try", status_code=200, include_in_schema=False)
async def begin_trial(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template:
    """A page leads on, as it does to log in."""
    room = await visitor.workspace(slug)
    try:
        started = await room.api.change("POST", "/api/sso/trial", wanted=TrialStarted)
    except Refused as refused:
        return await page(room, EMPTY.refused(refused))
    answer = visitor.page("accounts/sso_leaving.html", {"url": started.url})
    kept = f"{slug}.{started.state}.{started.browser}"
    answer.set_cookie(cookie(_COOKIE, kept, _S_MAX))
    return answer


@get("/w/{slug:str}/security/trial", include_in_schema=False)
async def show_trial(visitor: NamedDependency[Visitor], slug: FromPath[str]) -> Template | Redirect:
    """Each step as it went, and what the provider said."""
    room = await visitor.workspace(slug)
    trial: Trial | None = None
    try:
        trial = (await room.api.get("/api/sso", SignOnShown)).trial
    except Refused as refused:
        if not refused.is_(HTTPStatus.NOT_FOUND):
            raise
    if trial is None:
        return room.to("/security", said="Nothing was tried as it is set now.")
    given = {
        "trial": trial,
        "titles": STEPS,
        "missing": [name for name in STEPS if name not in {step.name for step in trial.told.steps}],
        "clock": _clock(trial.told.clock_skew_s),
    }
    return room.page("workspace/sign_on_trial.html", given)


def _clock(skew_s: float | None) -> str | None:
    if skew_s is None:
        return None
    if abs(skew_s) < _SKEW_S_MIN:
        return "Its clock agrees with ours."
    side = "ahead of" if skew_s > 0 else "behind"
    return f"Its clock is {abs(skew_s):.0f} seconds {side} ours; {LEEWAY_S} are borne."


def trial_of(request: Request[Any, Any, Any]) -> Begun | None:
    """Read what the browser kept; whatever isn't ours is none."""
    parts = request.cookies.get(_COOKIE, "").split(".")
    if len(parts) != _PARTS or not is_slug(parts[0]):
        return None
    return Begun(slug=parts[0], state=parts[1], browser=parts[2])


async def end_trial(visitor: Visitor, begun: Begun, *, code: str, why: str) -> Template | Redirect:
    """Hand on what the provider sent back with; it is used up by that."""
    room = await visitor.workspace(begun.slug)
    body = {
        "state": begun.state,
        "browser": begun.browser,
        "code": code or None,
        "error": why or None,
    }
    try:
        await room.api.change("POST", "/api/sso/trial/finish", body, wanted=Trial)
    except Refused as refused:
        return await page(room, EMPTY.refused(refused))
    answer = room.to("/security/trial")
    answer.set_cookie(gone(_COOKIE))
    return answer
