"""Recorded work: what failed of it first, and trying that again."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Redirect, Template

from router.api.fleet import OperationWhole
from router.api.shapes import List
from router.catalog.operations import OperationState
from router.catalog.retrying import ELSEWHERE, OperationLine
from web.api import Refused
from web.console.asking import CHANGES, Filter, address, checked, chosen
from web.form import EMPTY, Form, read_form
from web.visitor import Visitor

#: What the page shows unless somebody chooses otherwise, and what stands for no choice at all.
FAILING, ALL = "failing", "all"
#: Where what isn't begun again as it is has its own page.
_PAGES: Final = {"move": "/console/moves", "migration": "/console/migrations"}
# Litestar keeps `state` for itself.
State = Annotated[str, QueryParameter(name="state", max_length=200)]


@get("/console/operations", include_in_schema=False)
async def show_operations(
    visitor: NamedDependency[Visitor],
    *,
    wanted: State = FAILING,
    kind: Filter = "",
    tenant: Filter = "",
    after: Filter = "",
) -> Template:
    """The newest first, and only what failed unless another state is chosen."""
    await visitor.staff()
    state = wanted.strip() or FAILING
    filters = chosen(kind=kind, tenant=tenant, after=after)
    is_plain = state in {FAILING, ALL}
    asked = {
        **filters,
        "state": None if is_plain else state,
        "failing": "true" if state == FAILING else None,
    }
    found = await visitor.api.get("/api/ops/operations", List[OperationLine], asked)
    given = {
        "operations": found,
        "states": [
            (FAILING, "failed, or tried again"),
            (ALL, "all"),
            *((each.value, each.value) for each in OperationState),
        ],
        "state": state,
        "filters": filters,
        "address": address("/console/operations", {"state": state, **filters}),
    }
    return visitor.page("console/operations.html", given)


@get("/console/operations/{operation_id:uuid}", include_in_schema=False)
async def show_operation(
    visitor: NamedDependency[Visitor], operation_id: FromPath[UUID]
) -> Template:
    """One of them, with its log."""
    await visitor.staff()
    return await _operation_page(visitor, operation_id)


@post("/console/operations/{operation_id:uuid}/retry", status_code=200, include_in_schema=False)
async def retry_operation(
    visitor: NamedDependency[Visitor], request: Request[Any, Any, Any], operation_id: FromPath[UUID]
) -> Template | Redirect:
    """Has it tried at once; who asks twice has it tried once."""
    await visitor.staff(CHANGES)
    form = checked(await read_form(request))
    if form.errors:
        return await _operation_page(visitor, operation_id, form)
    path = f"/api/ops/operations/{operation_id}/retry"
    try:
        await visitor.api.do("POST", path, change=form.change)
    except Refused as refused:
        return await _operation_page(visitor, operation_id, form.refused(refused))
    return visitor.to(f"/console/operations/{operation_id}", said="It is tried again.")


async def _operation_page(visitor: Visitor, operation_id: UUID, form: Form = EMPTY) -> Template:
    whole = await visitor.api.get(f"/api/ops/operations/{operation_id}", OperationWhole)
    operation = whole.operation
    is_failed = operation.state is OperationState.FAILED
    is_postponed = operation.state is OperationState.WAITING and operation.error is not None
    given = {
        "operation": operation,
        "log": whole.log,
        "can_retry": is_postponed or (is_failed and operation.kind not in ELSEWHERE),
        "way": ELSEWHERE.get(operation.kind) if is_failed else None,
        "page": _page_of(operation.kind, operation_id),
    }
    return visitor.page("console/operation.html", given, form=form)


def _page_of(kind: str, operation_id: UUID) -> str | None:
    """Return the page of what an operation belongs to; moves are found by any of theirs."""
    folder = _PAGES.get("move" if kind in {"undo", "settle"} else kind)
    return None if folder is None else f"{folder}/{operation_id}"
