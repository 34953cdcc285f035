"""What the shop refuses, and how its routes document that."""

from __future__ import annotations

from typing import Final

from litestar.exceptions import ClientException
from litestar.openapi.datastructures import ResponseSpec
from msgspec import Struct


class Conflict(ClientException):
    """The request contradicts a row that is stored already."""

    status_code = 409


class Unprocessable(ClientException):
    """The request is well formed, and means something that cannot be."""

    status_code = 422


class Problem(Struct, frozen=True, kw_only=True):
    """How an error looks on the wire (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


NOT_FOUND: Final = ResponseSpec(
    Problem, description="There is no such row.", generate_examples=False
)
CONFLICT: Final = ResponseSpec(
    Problem, description="Another row stands against it.", generate_examples=False
)
UNPROCESSABLE: Final = ResponseSpec(
    Problem, description="A value cannot be stored; the detail names it.", generate_examples=False
)
