"""Staff's access to a tenant's rows, as pages of the console and of the tenant's workspace."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.types import ControllerRouterHandler

from web.staff import access, own, rows, verifying

PAGES: Sequence[ControllerRouterHandler] = (
    access.show_accesses,
    access.ask,
    access.show_access,
    access.change_access,
    rows.show_rows,
    rows.change_rows,
    verifying.verify,
    own.show_own_accesses,
    own.show_own_access,
)
