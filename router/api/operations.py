"""The operators' calls about recorded work: what there is, what failed, and trying it again."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from router.api.errand import Errand
from router.api.shapes import Limit, List, OperationShown
from router.catalog import retrying, tenants
from router.catalog.operations import OperationFilter, OperationState
from router.catalog.retrying import OperationLine

Filter = Annotated[str | None, QueryParameter(max_length=200)]


@get("/operations", tags=["operators"], summary="Recorded work, and how it stands")
async def list_operations(  # noqa: PLR0913 - each argument is one filter of the query
    errand: NamedDependency[Errand],
    *,
    # Litestar keeps `state` for itself.
    wanted: Annotated[OperationState | None, QueryParameter(name="state")] = None,
    kind: Filter = None,
    tenant: Annotated[
        str | None, QueryParameter(max_length=200, description="A slug or an id.")
    ] = None,
    failing: Annotated[
        bool,
        QueryParameter(description="Only what failed and hasn't ended well since."),
    ] = False,
    limit: Limit = 50,
    after: Annotated[
        UUID | None, QueryParameter(description="The `next` of the page before.")
    ] = None,
) -> List[OperationLine]:
    """The newest first. One that waits with an `error` failed before and is tried again."""
    async with errand.parts.catalog.connection() as connection:
        tenant_id = None if tenant is None else (await tenants.get(connection, tenant)).tenant.id
        page = await retrying.list_page(
            connection,
            OperationFilter(kind=kind, tenant_id=tenant_id, state=wanted),
            is_failing=failing or wanted is OperationState.FAILED,
            before=after,
            items_max=limit,
        )
    return List(items=[*page.items], next=page.next)


@post(
    "/operations/{operation_id:uuid}/retry",
    status_code=202,
    tags=["operators"],
    summary="Have work that failed tried again",
)
async def retry_operation(
    errand: NamedDependency[Errand], operation_id: FromPath[UUID]
) -> OperationShown:
    """At once: what failed for good begins again where it stopped, what waits waits no longer.

    What is on its way stays so. 409 for what ended, and for what is begun again in another way.
    """
    connection = await errand.connection()
    operation, is_changed = await retrying.retry(connection, operation_id)
    if is_changed:
        detail: dict[str, object] = {"kind": operation.kind, "step": operation.step}
        await errand.note(
            "operation.retry", operation.id, tenant_id=operation.tenant_id, detail=detail
        )
    return OperationShown.of(operation)
