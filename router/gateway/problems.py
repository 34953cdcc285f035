"""Every failure as a problem document (RFC 9457); each foreign error is translated here, once."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import asyncpg
import msgspec
import structlog
from litestar import Response
from litestar.exceptions import HTTPException, LitestarException, ValidationException
from sqlalchemy.exc import DBAPIError, NoResultFound

from router.errors import (
    CatalogUnreachable,
    DatabaseUnreachable,
    LimitReached,
    PlatformError,
    Reached,
    TablesChanged,
)
from router.lease import driver_error

if TYPE_CHECKING:
    from litestar import Request
    from litestar.types import Send

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
    #: Of a limit that is reached.
    metric: str | None = None
    limit: int | None = None
    used: int | None = None
    resets_at: datetime | None = None
    upgrade_url: str | None = None


class Explaining(Protocol):
    """A visit to a tenant: it knows more of a failure than PostgreSQL says.

    One that ``is_outdated`` is repeated where that is safe, here or by the caller.
    """

    is_outdated: bool

    def explained(self, error: Exception) -> Exception:
        """Return what to tell the caller instead, or the error itself."""
        ...


class Refusal(NamedTuple):
    """What the caller is told when PostgreSQL refuses a statement; None: the rule that broke."""

    status: int
    code: str
    title: str
    detail: str | None = None


_BUSY = Refusal(503, "busy", "Busy", "other requests are in the way; try again")
_GONE = Refusal(
    503, "database_unreachable", "Temporarily unavailable", "the database went away; try again"
)
_SHORT = Refusal(503, "overloaded", "Temporarily unavailable", "the database is short of something")
_REFERS_TO_NOTHING = Refusal(422, "refers_to_nothing", "Refers to nothing")
#: By SQLSTATE, or by its class of two characters.
_REFUSALS = {
    "08": _GONE,
    "22": Refusal(422, "value_refused", "A value can't be stored", "a value is out of range"),
    "23502": Refusal(422, "value_missing", "A value is missing"),
    "23503": Refusal(409, "still_referred_to", "Still referred to"),
    "23505": Refusal(409, "not_unique", "Not unique"),
    "23514": Refusal(422, "rule_broken", "A rule is broken"),
    "25006": Refusal(403, "read_only", "Not allowed", "this credential may only read"),
    "25P03": _BUSY,
    "40001": _BUSY,
    "40P01": _BUSY,
    "42P10": Refusal(
        500,
        "on_conflict",
        "The product's statement can't be run",
        "ON CONFLICT names columns that no unique rule of the stored form has in that spelling; "
        "write ON CONFLICT ON CONSTRAINT name, or use SQLAlchemy's on_conflict_do_update",
    ),
    "53": _SHORT,
    "55P03": _BUSY,
    "57014": Refusal(504, "deadline_exceeded", "Deadline exceeded", "a statement took too long"),
    "57P": _GONE,
}


def problem_of(error: Exception) -> Problem:
    """Say what a failure means to the caller. Says nothing of what an unforeseen one was."""
    match error:
        case LimitReached(reached=Reached() as reached):
            return Problem(
                type=f"urn:stepwell:{error.code}",
                title=error.title,
                status=error.status,
                detail=error.detail,
                code=error.code,
                retry_after_s=error.retry_after_s,
                metric=reached.metric,
                limit=reached.limit,
                used=reached.used,
                resets_at=reached.resets_at,
                upgrade_url=reached.upgrade_url,
            )
        case PlatformError():
            return Problem(
                type=f"urn:stepwell:{error.code}",
                title=error.title,
                status=error.status,
                detail=_told(error),
                code=error.code,
                errors=[{"key": error.field, "message": error.detail}] if error.field else [],
                retry_after_s=error.retry_after_s,
            )
        case ValidationException():
            return _invalid(error)
        case HTTPException():
            status = error.status_code
            return _problem(status, f"http_{status}", _title(status), error.detail)
        case _:
            return _foreign_problem(error)


def _told(error: PlatformError) -> str:
    """Keep our servers' addresses to ourselves: they are in the log, under the request's id."""
    match error:
        case CatalogUnreachable():
            return "the platform can't look this up now; try again"
        case DatabaseUnreachable():
            return "the tenant's database doesn't answer; try again"
        case _ if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            return "the platform failed; the request id finds it in the log"
        case _:
            return error.detail


def _foreign_problem(error: Exception) -> Problem:
    match error:
        case UnicodeDecodeError() | RecursionError():
            # Litestar lets these two through: a body that is no UTF-8, or nested too deep.
            return _problem(400, "bad_request", "The request is malformed", "the body is no JSON")
        case DBAPIError() | asyncpg.PostgresError() | asyncpg.InterfaceError() | OSError():
            return _database_problem(error)
        case (
            LitestarException(__cause__=Exception() as cause)
            | ExceptionGroup(exceptions=[Exception() as cause])
        ):
            # Litestar's words for what a stream raised of which nothing was sent.
            return problem_of(cause)
        case asyncpg.InternalClientError():
            # asyncpg's word for a server that died between two messages.
            return _database_problem(error)
        case NoResultFound():
            return _problem(404, "not_found", "Not found", "there is no such row")
        case _:
            return _unforeseen()


def answer(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
    """Litestar's exception handler for everything."""
    state = request.scope["state"]
    visit: Explaining | None = state.get("visit")
    if visit is not None:
        error = visit.explained(error)
    problem = problem_of(error)
    if visit is None or not visit.is_outdated:
        log_failure(problem, error)
    request_id = state.get("request_id", "")
    return Response(
        content=with_request_id(problem, request_id),
        status_code=problem.status,
        media_type=PROBLEM_TYPE,
        headers={**_methods(error), **problem_headers(problem)},
    )


async def send_problem(send: Send, error: Exception, request_id: str) -> None:
    """Answer with a problem where no handler of Litestar's can: outside of it, or after it."""
    problem = problem_of(error)
    log_failure(problem, error)
    body = msgspec.json.encode(with_request_id(problem, request_id))
    headers = {
        "Content-Type": PROBLEM_TYPE,
        "Content-Length": str(len(body)),
        **problem_headers(problem),
    }
    await send(
        {
            "type": "http.response.start",
            "status": problem.status,
            "headers": [(name.lower().encode(), each.encode()) for name, each in headers.items()],
        }
    )
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _methods(error: Exception) -> dict[str, str]:
    """Return Allow, when the method is what was wrong."""
    given = error.headers if isinstance(error, HTTPException) else None
    return {"Allow": given["allow"]} if given and "allow" in given else {}


def log_failure(problem: Problem, error: Exception) -> None:
    """Write down what the caller isn't told, when the failure is ours."""
    if problem.status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return
    unforeseen = problem.status == HTTPStatus.INTERNAL_SERVER_ERROR
    _log.error(
        "request_failed",
        code=problem.code,
        reason=str(error),
        exc_info=error if unforeseen else None,
    )


def problem_headers(problem: Problem) -> dict[str, str]:
    """Return the headers that go with a problem: when to try again, how to log in."""
    headers: dict[str, str] = {}
    if problem.retry_after_s is not None:
        headers["Retry-After"] = str(problem.retry_after_s)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def with_request_id(problem: Problem, request_id: str) -> dict[str, Any]:
    """Return the document as it is sent."""
    return {**msgspec.to_builtins(problem), "request_id": request_id}


def _invalid(error: ValidationException) -> Problem:
    faults = [_as_dict(each) for each in error.extra or []]
    if any(fault.get("source") == "body" for fault in faults):
        return _problem(
            422, "unprocessable", "The request can't be processed", error.detail, faults
        )
    return _problem(400, "bad_request", "The request is malformed", error.detail, faults)


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
        retry_after_s=1 if status == HTTPStatus.SERVICE_UNAVAILABLE else None,
    )


def _database_problem(error: Exception) -> Problem:
    cause = driver_error(error)
    if isinstance(cause, asyncpg.InvalidCachedStatementError):
        return problem_of(TablesChanged("the tables were changed at this moment; try again"))
    # asyncpg's word for a value that it can't encode: PostgreSQL never saw it, so no SQLSTATE.
    is_unencodable = isinstance(cause, asyncpg.InterfaceError) and isinstance(cause, ValueError)
    sqlstate = "22" if is_unencodable else getattr(cause, "sqlstate", None) or ""
    refusal = next(
        (_REFUSALS[part] for part in (sqlstate, sqlstate[:3], sqlstate[:2]) if part in _REFUSALS),
        _GONE if not sqlstate else None,
    )
    if refusal is None:
        return _unforeseen()
    if sqlstate == "23503" and "is not present" in (getattr(cause, "detail", None) or ""):
        refusal = _REFERS_TO_NOTHING
    return _problem(
        refusal.status, refusal.code, refusal.title, refusal.detail or _broken_rule(cause)
    )


def _broken_rule(cause: BaseException) -> str:
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
        500,
        "internal",
        "Something went wrong",
        "an unforeseen failure; the request id finds it in the log",
    )


def _title(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _as_dict(each: object) -> dict[str, Any]:
    if isinstance(each, dict):
        return dict(cast("dict[str, Any]", each))
    return {"message": str(each)}
