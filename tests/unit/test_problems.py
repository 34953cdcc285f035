"""What a driver's error means to the caller."""

from __future__ import annotations

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from router.gateway.problems import problem_of


class UnencodableError(asyncpg.InterfaceError, ValueError):
    """As asyncpg's own, which it doesn't export."""


def wrapped(error: Exception) -> DBAPIError:
    """Return the error as SQLAlchemy raises it."""
    return DBAPIError("SELECT 1", None, error)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (UnencodableError("value out of int32 range"), 422, "value_refused"),
        (wrapped(UnencodableError("value out of int32 range")), 422, "value_refused"),
        (asyncpg.InterfaceError("connection is closed"), 503, "database_unreachable"),
        (wrapped(asyncpg.InterfaceError("connection is closed")), 503, "database_unreachable"),
        (asyncpg.UniqueViolationError("twice"), 409, "not_unique"),
        (asyncpg.QueryCanceledError("slow"), 504, "deadline_exceeded"),
        (asyncpg.SyntaxOrAccessError("ours"), 500, "internal"),
        (ConnectionResetError("gone"), 503, "database_unreachable"),
        (ZeroDivisionError("ours"), 500, "internal"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else str(each),
)
def test_a_drivers_error_has_its_status(error: Exception, status: int, code: str) -> None:
    problem = problem_of(error)
    assert (problem.status, problem.code) == (status, code)
