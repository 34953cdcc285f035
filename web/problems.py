"""Problems as pages: for browsers that ask for HTML, everywhere but under /api."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.response import Redirect, Template

from router.gateway.problems import Problem, answer, log_failure, problem_headers, problem_of
from web.api import Refused
from web.visitor import ToLogIn, ToNewAddress, ToSwitch, Visitor, log_in_path, own_path

if TYPE_CHECKING:
    from collections.abc import Callable

#: What a live part asks for.
EVENTS = "text/event-stream"
#: What a person can do about it, where the problem itself doesn't say.
_NEXT = {
    HTTPStatus.FORBIDDEN: "Ask an owner of the workspace if you need this.",
    HTTPStatus.NOT_FOUND: "Check the address, or start from the first page.",
    HTTPStatus.PAYMENT_REQUIRED: "Nothing is lost, and reading goes on. Pay what is due, and "
    "writing goes on too.",
    HTTPStatus.TOO_MANY_REQUESTS: "Wait a moment, or choose a larger plan.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Nothing was lost. Try again in a moment.",
}


def page_answer(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """Litestar's exception handler of the pages."""
    visitor: Visitor | None = request.scope["state"].get("visitor")
    match error:
        case ToLogIn() | ToSwitch() if EVENTS in request.headers.get("accept", ""):
            return _live_part_over(request)
        case ToLogIn():
            return _to_log_in(visitor, error.path)
        case Refused() if error.is_(HTTPStatus.UNAUTHORIZED) and visitor is not None:
            return _to_log_in(visitor, visitor.address if request.method == "GET" else "/")
        case ToNewAddress():
            return Redirect(error.path, status_code=303)
        case ToSwitch() if visitor is not None:
            given = {"wanted": error.slug, "next": error.path, "me": error.me}
            return _with_headers(request, visitor.page("switch.html", given))
        case _:
            return _page(request, _told(error))


def any_answer(
    request: Request[Any, Any, Any], error: Exception, *, site_url: str
) -> Response[Any]:
    """Litestar's exception handler of everything else: a page only for whom one is of use."""
    wants_page = "text/html" in request.headers.get("accept", "")
    if not wants_page or request.scope["path"].startswith(("/api/", "/webhooks/")):
        return answer(request, error)
    problem = problem_of(error)
    log_failure(problem, error)
    return _page(request, problem, site_url=site_url)


def handlers_of(site_url: str) -> dict[int | type[Exception], Callable[..., Response[Any]]]:
    """Make the handlers of what isn't a page; their links lead to the site from any host."""
    handler = partial(any_answer, site_url=site_url)
    return {HTTPException: handler, Exception: handler}


def _told(error: Exception) -> Problem:
    if isinstance(error, Refused):
        return error.problem
    problem = problem_of(error)
    log_failure(problem, error)
    return problem


def _live_part_over(request: Request[Any, Any, Any]) -> Response[Any]:
    """Have the page around a live part asked for anew: it leads to where one may go on.

    A redirect would end the part without a word.
    """
    try:
        page = own_path(urlsplit(request.headers.get("referer", "")).path or "/")
    except ValueError:
        page = "/"
    ended = f"event: end\ndata: {page}\n\n"
    return _with_headers(request, Response(ended, media_type=EVENTS))


def _to_log_in(visitor: Visitor | None, path: str) -> Redirect:
    said = "Your session has ended: log in again." if visitor and visitor.token else None
    where = log_in_path(path)
    # The dead session's cookie goes too, or the log-in page would take the visitor for known.
    if visitor is None:
        return Redirect(where, status_code=303)
    gone = visitor.left(where).cookies
    return Redirect(where, status_code=303, cookies=[*gone, *visitor.to(where, said=said).cookies])


def _page(
    request: Request[Any, Any, Any], problem: Problem, *, site_url: str = ""
) -> Response[Any]:
    state = request.scope["state"]
    page = Template(
        "problem.html",
        context={
            "problem": problem,
            "advice": _NEXT.get(HTTPStatus(problem.status), ""),
            "request_id": state.get("request_id", ""),
            "visitor": state.get("visitor"),
            "me": None,
            "site_url": site_url,
            "upgrade_url": _upgrade_url(problem, site_url),
        },
        status_code=problem.status,
        media_type="text/html",
        headers=problem_headers(problem),
    )
    return _with_headers(request, page)


def _upgrade_url(problem: Problem, site_url: str) -> str | None:
    """Return where more is to be had, where that is what is missing."""
    if problem.status == HTTPStatus.PAYMENT_REQUIRED:
        return f"{site_url}/upgrade"
    return problem.upgrade_url


def _with_headers(request: Request[Any, Any, Any], page: Template | Response[Any]) -> Response[Any]:
    # What is answered here passes by the porch.
    for name, value in request.scope["state"].get("page_headers", ()):
        page.headers[name.decode()] = value.decode()
    return page


PAGE_HANDLERS: dict[int | type[Exception], Callable[..., Response[Any]]] = {
    HTTPException: page_answer,
    Exception: page_answer,
}
