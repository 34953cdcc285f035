"""Shapes that several platform routes have in common."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Generic, TypeVar
from uuid import UUID

import msgspec
from litestar.params import QueryParameter
from msgspec import Meta

from router.catalog.accounts import EMAIL_LENGTH_MAX, Account
from router.catalog.operations import Operation, OperationState
from router.catalog.tokens import is_invitation, is_proof
from router.errors import BadRequest
from router.names import NAME_LENGTH_MAX
from router.words import Tenant, TenantStatus, Tier

PAGE_ITEMS_MAX = 200
_CURSOR_DIGITS_MAX = 18

#: Lengths are bounded here so that nothing long is ever looked at; what a value means, and
#: whether it may be, the catalog says.
Name = Annotated[str, Meta(min_length=1, max_length=NAME_LENGTH_MAX)]
Word = Annotated[str, Meta(min_length=1, max_length=100)]
Email = Annotated[str, Meta(min_length=3, max_length=EMAIL_LENGTH_MAX)]
Password = Annotated[str, Meta(max_length=1_000)]
Limit = Annotated[
    int, QueryParameter(ge=1, le=PAGE_ITEMS_MAX, description="How many items a page has at most.")
]
Cursor = Annotated[
    str | None,
    QueryParameter(max_length=200, description="The `next` of the page before."),
]

_ItemT = TypeVar("_ItemT")


class List(msgspec.Struct, Generic[_ItemT], frozen=True, kw_only=True):
    """Some items; ``next`` is the cursor of those that follow, null at the end."""

    items: list[_ItemT]
    next: str | None = None


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person who logs in."""

    id: UUID
    email: str
    name: str
    email_verified: bool

    @classmethod
    def of(cls, account: Account) -> User:
        """Show an account."""
        return cls(
            id=account.id,
            email=account.email,
            name=account.name,
            email_verified=account.email_verified_at is not None,
        )


class TenantShown(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant as its members see it. ``tier`` and ``epoch`` are null until it has a place."""

    id: UUID
    slug: str
    name: str
    status: TenantStatus
    plan: str
    tier: Tier | None
    epoch: int | None

    @classmethod
    def of(cls, tenant: Tenant) -> TenantShown:
        """Show a tenant."""
        return cls(
            id=tenant.id,
            slug=tenant.slug,
            name=tenant.name,
            status=tenant.status,
            plan=tenant.plan,
            tier=tenant.tier,
            epoch=tenant.placement.epoch if tenant.placement else None,
        )


class OperationShown(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of work that goes on behind the answers."""

    id: UUID
    kind: str
    tenant: UUID | None
    state: OperationState
    step: str | None
    attempts: int
    error: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, operation: Operation) -> OperationShown:
        """Show an operation, without the data that its kind keeps to itself."""
        return cls(
            id=operation.id,
            kind=operation.kind,
            tenant=operation.tenant_id,
            state=operation.state,
            step=operation.step,
            attempts=operation.attempts,
            error=operation.error,
            created_at=operation.created_at,
            started_at=operation.started_at,
            finished_at=operation.finished_at,
        )


def read_cursor(text: str | None) -> int | None:
    """Read the cursor of a list that is ordered by number."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _CURSOR_DIGITS_MAX):
        raise BadRequest("`after` is no cursor: send the `next` of the page before")
    return int(text)


def read_proof_token(text: str) -> str:
    """Return the mailed token when it could be one; all others get the answer of an unknown one."""
    return text if is_proof(text) else ""


def read_invitation_token(text: str) -> str:
    """Return the token when it could be one; all others get the answer of an unknown one."""
    return text if is_invitation(text) else ""
