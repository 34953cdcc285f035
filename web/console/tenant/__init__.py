"""One tenant in the console: a page for each thing that is asked about it."""

from __future__ import annotations

from collections.abc import Sequence

from litestar.types import ControllerRouterHandler

from web.console.tenant import (
    access,
    audit,
    billing,
    danger,
    data,
    domains,
    members,
    placement,
    summary,
    usage,
)

PAGES: Sequence[ControllerRouterHandler] = (
    summary.show_summary,
    placement.show_placement,
    placement.begin_move,
    placement.foresee_move,
    placement.undo_move,
    usage.show_usage,
    usage.give_limits,
    usage.end_limits,
    billing.show_billing,
    billing.change_billing,
    members.show_members,
    domains.show_domains,
    data.show_data,
    data.take_archive,
    data.restore_archive,
    access.show_access,
    access.ask_access,
    audit.show_audit,
    danger.show_danger,
    danger.change_tenant,
)
