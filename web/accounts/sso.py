"""Single sign-on: from here to the company's own log-in, and back."""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec
from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect, Template

from router.api.entering import LoggedIn
from router.api.sso import SignOnStarted
from router.outside import URL_LENGTH_MAX
from web.api import Refused
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor, cookie, gone
from web.workspace.trials import end_trial, trial_of

#: The browser's own half of a sign-on: who brings only what was in the address comes in vain.
_COOKIE: Final = "__Host-stepwell-sso"
_S_MAX: Final = 600
_TEXT_LENGTH_MAX: Final = 4_000
_COMPANY_LENGTH_MAX: Final = 254
_TEMPLATE: Final = "accounts/sso.html"

Company = Annotated[str, QueryParameter(name="company", max_length=_COMPANY_LENGTH_MAX)]
State = Annotated[str, QueryParameter(name="state", max_length=_TEXT_LENGTH_MAX)]
Code = Annotated[str, QueryParameter(name="code", max_length=_TEXT_LENGTH_MAX)]
Why = Annotated[str, QueryParameter(name="error", max_length=_TEXT_LENGTH_MAX)]


@get("/login/sso", include_in_schema=False)
async def sign_on_page(visitor: NamedDependency[Visitor], company: Company = "") -> Template:
    """An address, its domain or a workspace's slug tells whose log-in it is."""
    await visitor.me()
    return visitor.page(_TEMPLATE, {"company": company})


@post("/login/sso", status_code=200, include_in_schema=False)
async def begin(visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]) -> Template:
    """A page leads on, and no redirect: forms of ours may lead to no site that we don't know."""
    form = await read_form(request)
    company = form.text("company")
    body = {"email" if "@" in company else "company": company}
    try:
        started = await visitor.api.change("POST", "/api/sso/start", body, wanted=SignOnStarted)
    except Refused as refused:
        return visitor.page(_TEMPLATE, {"company": ""}, form=form.said(refused))
    answer = visitor.page("accounts/sso_leaving.html", {"url": started.url})
    answer.set_cookie(cookie(_COOKIE, started.browser, _S_MAX))
    return answer


@get("/login/sso/return", include_in_schema=False)
async def come_back(
    visitor: NamedDependency[Visitor],
    request: Request[Any, Any, Any],
    begun: State = "",
    code: Code = "",
    why: Why = "",
) -> Template | Redirect:
    """What the address says works once, and in the browser that left."""
    trial = trial_of(request)
    if trial is not None and trial.state == begun:
        return await end_trial(visitor, trial, code=code, why=why)
    if not code:
        return _said(visitor, "Your company's log-in let nobody in. Begin again, or ask there.")
    body = {"state": begun, "code": code, "browser": request.cookies.get(_COOKIE, "")}
    if (issuer := request.query_params.get("iss")) is not None:
        body["iss"] = issuer[:URL_LENGTH_MAX]
    try:
        opened = await visitor.api.change("POST", "/api/sso/finish", body, wanted=LoggedIn)
    except Refused as refused:
        return visitor.page(_TEMPLATE, {"company": ""}, form=EMPTY.said(refused))
    await visitor.give_way(opened.token)
    answer = visitor.entered(opened.token, opened.expires_at, f"/w/{opened.tenants[0].slug}")
    answer.set_cookie(gone(_COOKIE))
    return answer


def _said(visitor: Visitor, problem: str) -> Template:
    form: Form = msgspec.structs.replace(EMPTY, problem=problem)
    return visitor.page(_TEMPLATE, {"company": ""}, form=form)
