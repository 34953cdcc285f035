"""Log-in and log-out."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Redirect, Template

from router.api.entering import LoggedIn
from web.api import Refused
from web.form import read_form
from web.visitor import Visitor, own_path

Next = Annotated[str, QueryParameter(name="next", max_length=1_000)]


@get("/login", include_in_schema=False)
async def log_in_page(visitor: NamedDependency[Visitor], where: Next = "/") -> Template | Redirect:
    """Whoever is logged in already goes on."""
    if await visitor.me() is not None:
        return visitor.to(own_path(where))
    return visitor.page("accounts/login.html", {"next": own_path(where)})


@post("/login", status_code=200, include_in_schema=False)
async def log_in(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any]
) -> Template | Redirect:
    """Each log-in draws a new session: one that somebody planted is never taken over."""
    form = await read_form(request)
    where = own_path(form.text("next"))
    body = {"email": form.text("email"), "password": form.raw("password")}
    try:
        opened = await visitor.api.change("POST", "/api/login", body, wanted=LoggedIn)
    except Refused as refused:
        said = form.said(refused)
        return visitor.page("accounts/login.html", {"next": where}, form=said)
    await visitor.give_way(opened.token)
    return visitor.entered(opened.token, opened.expires_at, where)


@post("/logout", status_code=303, include_in_schema=False)
async def log_out(visitor: NamedDependency[Visitor]) -> Redirect:
    """Ends the session itself, not only the browser's memory of it."""
    if await visitor.me() is not None:
        await visitor.api.do("POST", "/api/logout")
    return visitor.left("/login")
