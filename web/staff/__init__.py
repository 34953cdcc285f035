"""Staff's access to a tenant's rows, and the audit that vouches for it, as pages of the console."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.types import ControllerRouterHandler

from web.staff import access, rows, verifying

PAGES: Sequence[ControllerRouterHandler] = (
    access.show_accesses,
    access.ask,
    access.show_access,
    access.change_access,
    rows.show_rows,
    rows.change_rows,
    verifying.verify,
)
