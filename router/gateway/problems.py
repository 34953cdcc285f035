"""Every failure as a problem document (RFC 9457); each foreign error is translated here, once."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import structlog
from litestar import Response
from litestar.exceptions import HTTPException, ValidationException
from sqlalchemy.exc import DBAPIError, NoResultFound

from router.errors import PlatformError

if TYPE_CHECKING:
    from litestar import Request
    from litestar.types import ExceptionHandlersMap

PROBLEM_TYPE = "application/problem+json"
_log = structlog.get_logger("stepwell.gateway")


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document. ``code`` is for programs, ``detail`` for people."""

    type: str
    title: str
    status: int
    detail: str
    code: str = ""
    errors: list[dict[str, Any]] = []
    retry_after_s: int | None = None


#: What the product's caller is told when PostgreSQL refuses a statement, by SQLSTATE.
_SQLSTATES = {
    "23505": (409, "not_unique", "Not unique"),
    "23503": (409, "still_referred_to", "Still referred to"),
    "23514": (422, "rule_broken", "A rule is broken"),
    "23502": (422, "value_missing", "A value is missing"),
    "23P01": (409, "rule_broken", "A rule is broken"),
    "25006": (403, "read_only", "This credential may only read"),
    "57014": (504, "deadline_exceeded", "Deadline exceeded"),
    "55P03": (503, "busy", "Busy"),
    "40001": (503, "busy", "Busy"),
    "40P01": (503, "busy", "Busy"),
    "25P03": (503, "busy", "Busy"),
    "57P01": (503, "database_unreachable", "Temporarily unavailable"),
    "57P02": (503, "database_unreachable", "Temporarily unavailable"),
    "57P03": (503, "database_unreachable", "Temporarily unavailable"),
}
_CONFLICT_ADVICE = (
    "ON CONFLICT names columns that no unique rule of the stored form has in that spelling; write "
    "ON CONFLICT ON CONSTRAINT name, or use SQLAlchemy's on_conflict_do_update"
)


def problem_of(error: Exception) -> Problem:
    """Say what a failure means to the caller. Says nothing of what an unforeseen one was."""
    match error:
        case PlatformError():
            return Problem(
                type=f"urn:stepwell:{error.code}",
                title=error.title,
                status=error.status,
                detail=error.detail,
                code=error.code,
                retry_after_s=error.retry_after_s,
            )
        case ValidationException():
            return _problem(
                422, "unprocessable", "The request can't be processed", error.detail,
                errors=[_as_dict(each) for each in error.extra or []],
            )
        case HTTPException():
            return _problem(
                error.status_code, f"http_{error.status_code}", _title(error.status_code), error.detail
            )
        case DBAPIError() | asyncpg.PostgresError() | asyncpg.InterfaceError() | OSError():
            return _database_problem(error)
        case NoResultFound():
            return _problem(404, "not_found", "Not found", "there is no such row")
        case _:
            return _unforeseen()


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """Litestar's exception handler for everything."""
    problem = problem_of(error)
    request_id = request.scope["state"].get("request_id", "")
    if problem.status >= 500:
        _log.error("request failed", code=problem.code, exc_info=error if problem.status == 500 else None)
    return Response(
        content=with_request_id(problem, request_id),
        status_code=problem.status,
        media_type=PROBLEM_TYPE,
        headers=problem_headers(problem),
    )


def problem_headers(problem: Problem) -> dict[str, str]:
    """Return the headers that go with a problem: when to try again, how to log in."""
    headers: dict[str, str] = {}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def with_request_id(problem: Problem, request_id: str) -> dict[str, Any]:
    """Return the document as it is sent."""
    return {**msgspec.to_builtins(problem), "request_id": request_id}


def _problem(
    status: int, code: str, title: str, detail: str, errors: list[dict[str, Any]] | None = None
) -> Problem:
    return Problem(
        type=f"urn:stepwell:{code}",
        title=title,
        status=status,
        detail=detail,
        code=code,
        errors=errors or [],
        retry_after_s=1 if status == 503 else None,
    )


def _database_problem(error: Exception) -> Problem:
    sqlstate = getattr(error, "sqlstate", None) or getattr(
        getattr(error, "orig", None), "sqlstate", None
    )
    cause = _driver_error(error)
    if sqlstate is None:
        return _problem(503, "database_unreachable", "Temporarily unavailable", "the database went away")
    if sqlstate == "23503" and "is not present" in (getattr(cause, "detail", None) or ""):
        return _problem(422, "refers_to_nothing", "Refers to nothing", _rule(cause))
    if sqlstate in _SQLSTATES:
        status, code, title = _SQLSTATES[sqlstate]
        return _problem(status, code, title, _rule(cause))
    if sqlstate == "42P10":
        return _problem(500, "on_conflict", "The product's statement can't be run", _CONFLICT_ADVICE)
    if sqlstate.startswith("22"):
        return _problem(422, "value_refused", "A value can't be stored", "a value is out of range or malformed")
    if sqlstate.startswith(("53", "08")):
        return _problem(503, "database_unreachable", "Temporarily unavailable", "the database is short of something")
    return _unforeseen()


def _driver_error(error: BaseException) -> BaseException:
    """Return asyncpg's own error under SQLAlchemy's: it knows the constraint's name."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, asyncpg.PostgresError):
        seen = getattr(seen, "orig", None) or seen.__cause__
    return seen or error


def _rule(cause: BaseException) -> str:
    # By the rule's name and never by PostgreSQL's detail, which spells the stored form's key.
    name = getattr(cause, "constraint_name", None)
    column = getattr(cause, "column_name", None)
    if name:
        return f"the rule {name} doesn't hold"
    if column:
        return f"{column} must have a value"
    return "the database refused the statement; try again"


def _unforeseen() -> Problem:
    return _problem(
        500, "internal", "Something went wrong", "an unforeseen failure; the request id finds it in the log"
    )


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _as_dict(each: object) -> dict[str, Any]:
    return dict(each) if isinstance(each, dict) else {"message": str(each)}


#: For Litestar: one handler for all.
HANDLERS: ExceptionHandlersMap = {HTTPException: answer, Exception: answer}
